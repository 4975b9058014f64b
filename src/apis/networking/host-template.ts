/** Part of a template: a text, a field (`{{.Name}}`), or an entry of a map (`{{index .Labels "app"}}`). */
type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'entry'; readonly map: string; readonly key: string };
export type HostTemplate = readonly Part[];

/** What stands in the fields of a template. An entry that a map has not is empty. */
export type TemplateValues = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

export type TemplateFault = { readonly fault: string };

/** The fields of which name, and what upstream calls their type; maps have entries. */
export type TemplateFields = {
  readonly name: 'domain-template' | 'tag-template';
  readonly type: string;
  readonly fields: readonly string[];
  readonly maps: readonly string[];
};

/** Spaces beside a trimming mark go (Go text/template). */
const ACTION = /(\s*\{\{-\s|\{\{)(.*?)(\s-\}\}\s*|\}\})/gs;
const ENTRY = /^index\s+\.(\w+)\s+(?:"([^"\\]*)"|`([^`]*)`)$/;

/**
 * The part of Go's templates that host names are written in: fields, and entries of maps. Everything else (functions,
 * conditions, pipes) is refused by name, since nobody would see that it has no meaning here.
 */
export function parseTemplate(text: string, known: TemplateFields): HostTemplate | TemplateFault {
  const parts: Part[] = [];
  let at = 0;
  for (const { 0: whole, 1: open = '', 2: body = '', index } of text.matchAll(ACTION)) {
    parts.push({ kind: 'text', text: text.slice(at, index) });
    const part = parseAction(body.trim(), index + open.length, known);
    if ('fault' in part) return part;
    parts.push(part);
    at = index + whole.length;
  }
  const rest = text.slice(at);
  if (rest.includes('{{')) return { fault: `template: ${known.name}:1: unclosed action` };
  return [...parts, { kind: 'text', text: rest }];
}

function parseAction(body: string, at: number, known: TemplateFields): Part | TemplateFault {
  const { name: template, type, fields, maps } = known;
  const [, map = '', quoted, raw] = ENTRY.exec(body) ?? [];
  if (maps.includes(map)) return { kind: 'entry', map, key: quoted ?? raw ?? '' };
  const [, name = '', key] = /^\.(\w+)(?:\.(\w+))?$/.exec(body) ?? [];
  if (key !== undefined && maps.includes(name)) return { kind: 'entry', map: name, key };
  if (key === undefined && fields.includes(name)) return { kind: 'field', name };
  if (name !== '' && key === undefined && !maps.includes(name))
    return {
      fault: `template: ${template}:1:${at}: executing "${template}" at <.${name}>: can't evaluate field ${name} in type config.${type}`,
    };
  const usable = [...fields.map((each) => `{{.${each}}}`), ...maps.map((each) => `{{index .${each} "key"}}`)];
  return { fault: `template: ${template}: {{${body}}} is not taken here; ${usable.join(', ')} are` };
}

export function renderTemplate(template: HostTemplate, values: TemplateValues): string {
  return template
    .map((part) => {
      if (part.kind === 'text') return part.text;
      const value = values[part.kind === 'field' ? part.name : part.map] ?? '';
      if (part.kind === 'field') return typeof value === 'string' ? value : '';
      return typeof value === 'string' || !Object.hasOwn(value, part.key) ? '' : (value[part.key] ?? '');
    })
    .join('');
}
