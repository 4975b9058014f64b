/** One change as it is kept: `json` is the object after it, or, of a DELETED one, its last state. */
export type Row = {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly json: string;
};

export type StorageRequest =
  | { readonly id: number; readonly rows: readonly Row[] }
  | { readonly id: number; readonly close: true }
  | { readonly id: number; readonly backup: string };
export type StorageAnswer =
  | {
      readonly id: number;
      readonly opened?: {
        readonly objects: readonly string[];
        readonly history: readonly Row[];
        readonly version: number;
        readonly oldest: number;
      };
    }
  | { readonly id: number; readonly error: string; readonly code: string };

export type StorageOptions = {
  readonly file: string;
  readonly historyMax: number;
  readonly acceptLoss: boolean;
};
