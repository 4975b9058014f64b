import type { KindDefinition } from '../../apis/kind.ts';
import type { KindRegistry } from '../../apis/registry.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** Read by clients to decide what they may ask for (knative pkg/version refuses anything below 1.34). */
export const VERSION = {
  major: '1',
  minor: '34',
  gitVersion: 'v1.34.1',
  gitCommit: '0000000000000000000000000000000000000000',
  gitTreeState: 'clean',
  buildDate: '2026-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'node',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
};

/** What is sent and answered there is another kind than the one that is scaled. */
const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

/** What is sent there, and answered, is no account. */
const TOKEN = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };

const POD_SUBRESOURCES = ['attach', 'exec', 'log', 'portforward'];
/** What is sent there is told of by options of their own (core/v1). */
const OPTIONS_KIND: Readonly<Record<string, string>> = {
  attach: 'PodAttachOptions',
  exec: 'PodExecOptions',
  portforward: 'PodPortForwardOptions',
};
const OTHERS: Readonly<Record<string, typeof SCALE>> = { scale: SCALE, token: TOKEN };
const verbsOf = (subresource: string): readonly string[] => {
  if (subresource in OPTIONS_KIND) return ['create', 'get'];
  if (subresource === 'token') return ['create'];
  return subresource === 'log' ? ['get'] : ['get', 'patch', 'update'];
};

/** A resource of a group whose resources are no stored objects. */
export type ExtensionResource = {
  readonly plural: string;
  readonly kind: string;
  readonly isNamespaced: boolean;
  readonly verbs: readonly string[];
};
/** One without resources is not told of. */
export type ExtensionGroup = {
  readonly group: string;
  readonly version: string;
  readonly resources?: readonly ExtensionResource[];
};

/** `/api`, `/apis`, `/apis/<group>` and their versions. Undefined: no such document. */
export function discoveryDocument(
  kinds: KindRegistry,
  path: string,
  accept: string,
  extensions: readonly ExtensionGroup[] = [],
): unknown {
  return storedDocument(kinds, path, accept, extensions) ?? extensionDocument(path, extensions);
}

function storedDocument(
  kinds: KindRegistry,
  path: string,
  accept: string,
  extensions: readonly ExtensionGroup[],
): unknown {
  const told = extensions.filter(({ resources }) => resources !== undefined);
  const isAggregated = accept.includes('as=APIGroupDiscoveryList');
  const version = accept.includes('v=v2;') || /v=v2(?:[,;]|$)/.test(accept) ? 'v2' : 'v2beta1';
  const groups = [...kinds.groups()];
  if (path === '/api') {
    if (isAggregated) return aggregated(kinds, [['', ['v1']]], version);
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
  }
  const named = groups.filter(([group]) => group !== '');
  if (path === '/apis') {
    if (isAggregated) {
      const document = aggregated(kinds, named, version);
      return { ...document, items: [...document.items, ...told.map(aggregatedExtension)] };
    }
    return {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: [
        ...named.map(([group, versions]) => apiGroup(group, versions)),
        ...told.map(({ group, version: served }) => apiGroup(group, [served])),
      ],
    };
  }
  if (path === '/api/v1') return resourceList(kinds, '', 'v1');
  const [, group = '', asked] = /^\/apis\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? [];
  const versions = kinds.groups().get(group);
  if (versions === undefined || group === '') return undefined;
  if (asked === undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group, versions) };
  return versions.includes(asked) ? resourceList(kinds, group, asked) : undefined;
}

/** `/apis/<group>` and its version, of what stores no objects. */
function extensionDocument(path: string, extensions: readonly ExtensionGroup[]): unknown {
  const found = extensions.find(
    ({ group, version }) => path === `/apis/${group}` || path === `/apis/${group}/${version}`,
  );
  if (found?.resources === undefined) return undefined;
  const { group, version, resources } = found;
  if (path === `/apis/${group}`) return { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group, [version]) };
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: `${group}/${version}`,
    resources: resources.map(({ plural, kind, isNamespaced, verbs }) => ({
      name: plural,
      singularName: '',
      namespaced: isNamespaced,
      kind,
      verbs,
    })),
  };
}

function aggregatedExtension({ group, version, resources = [] }: ExtensionGroup): unknown {
  const all = resources.map(({ plural, kind, isNamespaced, verbs }) => ({
    resource: plural,
    responseKind: { group, version, kind },
    scope: isNamespaced ? 'Namespaced' : 'Cluster',
    singularResource: '',
    verbs,
  }));
  return {
    metadata: { name: group, creationTimestamp: null },
    versions: [{ version, freshness: 'Current', resources: all }],
  };
}

function apiGroup(group: string, versions: readonly string[]): Record<string, unknown> {
  const all = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: all, preferredVersion: all[0] };
}

function resourceList(kinds: KindRegistry, group: string, version: string): Record<string, unknown> {
  const served = kinds.kinds.filter((kind) => kind.group === group && kind.versions.includes(version));
  const resources = served.flatMap((kind) => [
    {
      name: kind.plural,
      singularName: kind.singular,
      namespaced: kind.scope === 'Namespaced',
      kind: kind.kind,
      verbs: VERBS,
      ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
      ...(kind.categories.length > 0 && { categories: kind.categories }),
    },
    ...subresourcesOf(kind).map((name) => ({
      name: `${kind.plural}/${name}`,
      singularName: '',
      namespaced: kind.scope === 'Namespaced',
      ...(OTHERS[name] ?? { kind: OPTIONS_KIND[name] ?? kind.kind }),
      verbs: verbsOf(name),
    })),
  ]);
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources,
  };
}

function subresourcesOf({ subresources, kind, group }: KindDefinition): string[] {
  return [
    ...(subresources.status ? ['status'] : []),
    ...(subresources.scale === undefined ? [] : ['scale']),
    ...(kind === 'Pod' && group === '' ? POD_SUBRESOURCES : []),
    ...(kind === 'ServiceAccount' && group === '' ? ['token'] : []),
  ];
}

function aggregated(
  kinds: KindRegistry,
  groups: readonly (readonly [string, readonly string[]])[],
  version: string,
): { readonly items: readonly unknown[] } & Readonly<Record<string, unknown>> {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(([group, versions]) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: versions.map((each) => ({
        version: each,
        freshness: 'Current',
        resources: aggregatedResources(kinds, group, each),
      })),
    })),
  };
}

function aggregatedResources(kinds: KindRegistry, group: string, version: string): unknown[] {
  const served = kinds.kinds.filter((kind) => kind.group === group && kind.versions.includes(version));
  return served.map((kind) => {
    const responseKind = { group, version, kind: kind.kind };
    return {
      resource: kind.plural,
      responseKind,
      scope: kind.scope,
      singularResource: kind.singular,
      verbs: VERBS,
      ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
      ...(kind.categories.length > 0 && { categories: kind.categories }),
      subresources: subresourcesOf(kind).map((subresource) => ({
        subresource,
        responseKind: OTHERS[subresource] ?? {
          ...responseKind,
          kind: OPTIONS_KIND[subresource] ?? kind.kind,
        },
        verbs: verbsOf(subresource),
      })),
    };
  });
}
