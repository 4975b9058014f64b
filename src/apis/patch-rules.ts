/** How a strategic merge patch treats the members of an object; what has no rule is merged when it is an object, and replaced. */
export type PatchRules = Readonly<Record<string, PatchRule>>;

export type PatchRule = {
  /** Items of the list are told apart by this member of theirs; `values`: they are plain values, each there once. */
  readonly items?: { readonly by: string } | 'values';
  /** Of the members of the object, or of each item. */
  readonly below?: PatchRules;
};

const by = (key: string, below: PatchRules = {}): PatchRule => ({ items: { by: key }, below });

const container: PatchRules = {
  env: by('name'),
  ports: by('containerPort'),
  volumeMounts: by('mountPath'),
  volumeDevices: by('devicePath'),
};

/** The patchMergeKeys of core/v1 PodSpec. */
const podSpec: PatchRules = {
  containers: by('name', container),
  initContainers: by('name', container),
  ephemeralContainers: by('name', container),
  volumes: by('name'),
  imagePullSecrets: by('name'),
  hostAliases: by('ip'),
  topologySpreadConstraints: by('topologyKey'),
  resourceClaims: by('name'),
};

/** Of every object of a kind that is Kubernetes' own. */
export const METADATA_RULES: PatchRules = {
  metadata: { below: { ownerReferences: by('uid'), finalizers: { items: 'values' } } },
};
const conditions = { conditions: by('type') };
const template: PatchRule = { below: { ...METADATA_RULES, spec: { below: podSpec } } };

/** The kinds of Kubernetes whose lists have keys, as the tags of their Go types say (k8s.io/api). */
export const POD_RULES: PatchRules = {
  spec: { below: podSpec },
  status: { below: { ...conditions, podIPs: by('ip'), hostIPs: by('ip') } },
};
export const WORKLOAD_RULES: PatchRules = { spec: { below: { template } }, status: { below: conditions } };
export const CRON_JOB_RULES: PatchRules = {
  spec: { below: { jobTemplate: { below: { ...METADATA_RULES, spec: { below: { template } } } } } },
};
export const SERVICE_RULES: PatchRules = {
  spec: { below: { ports: by('port') } },
  status: { below: conditions },
};
export const SERVICE_ACCOUNT_RULES: PatchRules = { secrets: by('name') };
export const NODE_RULES: PatchRules = { status: { below: { ...conditions, addresses: by('type') } } };
