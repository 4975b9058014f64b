/** Indexes as text has them: `0,3-5` (kubernetes pkg/controller/job, indexed_job_utils.go). */
export function indexesIn(text: string = ''): ReadonlySet<number> {
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const [, first, last = first] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim()) ?? [];
    for (let index = Number(first); index <= Number(last); index += 1) found.add(index);
  }
  return found;
}

/** The shortest text of them: two neighbours are `1,2`, three `1-3`. */
export function indexesText(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].toSorted((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length;) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end += 1;
    if (end === i) parts.push(`${sorted[i]}`);
    else parts.push(`${sorted[i]}${end === i + 1 ? ',' : '-'}${sorted[end]}`);
    i = end + 1;
  }
  return parts.join(',');
}
