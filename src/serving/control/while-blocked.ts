/** When to look again while somebody else's object is in the way: its going leads nobody here, for it has no owner. */
export const WHILE_BLOCKED = { afterMs: 10_000 } as const;
