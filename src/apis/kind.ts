import type { TSchema } from 'typebox';
import type { PatchRules } from './patch-rules.ts';
import type { Resource } from './resource.ts';

export type GroupKind = { readonly group: string; readonly kind: string };

/** A fault in an object, in Knative's form (pkg/apis/field_error.go): rendered `message: path, path\ndetails`. */
export type FieldError = {
  readonly message: string;
  readonly paths: readonly string[]; // `spec.template.spec.containers[0].image`
  readonly details?: string;
};

export type PrinterColumn = {
  readonly name: string; // as the CRD writes it; kubectl upper-cases it
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** As in a CRD: `.status.conditions[?(@.type=="Ready")].status`. A function for what core kinds compute. */
  readonly from: string | ((object: Resource, nowMs: number) => string | number | undefined);
  readonly priority?: number; // above 0: shown by `-o wide` only
  readonly description?: string;
};

/** What admission knows beside the object. */
export type AdmissionContext = {
  readonly operation: 'CREATE' | 'UPDATE';
  readonly old: Resource | undefined;
  /** Who asks: `admin`, or `system:serviceaccount:knative-eventing:eventing-controller` for our own controllers. */
  readonly user: string;
  /** The data of a ConfigMap, as stored now; undefined when it is not there. Defaults come from these. */
  configMap(namespace: string, name: string): Readonly<Record<string, string>> | undefined;
};

/**
 * How one version of a kind is written where its versions differ. What is kept has the kind's own schema; every version has
 * a form then.
 */
export type VersionForm<Stored extends Resource = Resource, Shown extends Resource = Resource> = {
  readonly schema: TSchema;
  readonly columns: readonly PrinterColumn[];
  /** Said in a Warning header of every answer in this version. */
  readonly deprecation?: string;
  fromStored(object: Stored): Shown;
  /** `stored` is what it replaces: what this form does not show is taken from there. */
  toStored(object: Shown, stored?: Stored): Stored;
  /** Rules of this version alone, before it is turned into what is kept. */
  validate?(object: Shown): readonly FieldError[];
};

/**
 * Where the figures of the scale subresource stand, as in a CRD: `.spec.replicas`. The selector is one in text, or a
 * LabelSelector.
 */
export type ScalePaths = {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath?: string;
};

/**
 * One resource kind: everything about it that is data. The TypeScript type, CRD, OpenAPI, table columns and the
 * reference page are derived from `schema` and what stands beside it. Adding a kind is one folder and one line in
 * registry.ts.
 */
export type KindDefinition<R extends Resource = Resource> = {
  readonly group: string; // empty for the core group
  /** Served versions, the preferred first; all share one schema unless a conversion says otherwise. */
  readonly versions: readonly [string, ...string[]];
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly scope: 'Namespaced' | 'Cluster';
  /** An object schema of `spec`, `status` and, for core kinds, their other members; not of the metadata. */
  readonly schema: TSchema;
  readonly columns: readonly PrinterColumn[];
  /** By version; absent when all versions are written alike. */
  readonly forms?: Readonly<Record<string, VersionForm<R>>>;
  readonly subresources: { readonly status: boolean; readonly scale?: ScalePaths };
  /** How a strategic merge patch treats its lists; custom resources take none. */
  readonly patchRules?: PatchRules;
  /** Listed as a CustomResourceDefinition, with these labels and annotations. Absent for core kinds. */
  readonly crd?: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  /** The name upstream's validating webhook signs its denials with; undefined: the API server denies in its own name. */
  readonly webhook?: string;
  /** The same for some objects of a kind alone; it goes before `webhook`, and nobody is stamped for it. */
  webhookOf?(object: R): string | undefined;
  /** Whether who made and last changed an object is stamped on it; absent: on every one that has a webhook. */
  isStamped?(object: R): boolean;
  /** Pure and idempotent. */
  setDefaults(object: R, context: AdmissionContext): R;
  /** Cross-field rules only; shapes are the schema's. Empty when all is well. */
  validate(object: R, context: AdmissionContext): readonly FieldError[];
  /** Said in Warning headers; the object is taken all the same. */
  warn?(object: R): readonly string[];
};
