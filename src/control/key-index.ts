/** Members by the groups they are in, kept in step as they change: looking one group up does not look at all members. */
export class KeyIndex {
  readonly #groups = new Map<string, Set<string>>();
  readonly #members = new Map<string, readonly string[]>();

  /** A member is in these groups from now on, and in no other. */
  set(member: string, groups: readonly string[]): void {
    for (const group of this.#members.get(member) ?? []) {
      const known = this.#groups.get(group);
      known?.delete(member);
      if (known?.size === 0) this.#groups.delete(group);
    }
    if (groups.length === 0) this.#members.delete(member);
    else this.#members.set(member, groups);
    for (const group of groups) {
      const known = this.#groups.get(group) ?? new Set();
      known.add(member);
      this.#groups.set(group, known);
    }
  }

  of(group: string): readonly string[] {
    return [...(this.#groups.get(group) ?? [])];
  }
}
