import { quantityOf } from '../../apis/quantity.ts';
import type { ObjectFiles, Projection, Revision, Volume } from '../../apis/serving/types.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import type { VolumeFile, VolumeSpec } from '../runtime/volume-spec.ts';
import type { AccountTokens } from './account-tokens.ts';
import { fieldOf, INSTANCE_ID, resourceOf } from './field-ref.ts';
import { absentKey, absentObject, keysOf } from './objects-of.ts';

type Missing = { readonly kind: 'missing'; readonly reason: string };
export type Volumes =
  | {
      readonly kind: 'resolved';
      readonly volumes: readonly VolumeSpec[];
      /** What is in them is to be looked up again by then; undefined: when an object changes. */
      readonly renewAtMs?: number | undefined;
    }
  | Missing;
/** Where the contents of volumes are. */
export type VolumeSources = { readonly reader: ResourceReader; readonly tokens?: AccountTokens | undefined };
type Timed = VolumeFile & { readonly renewAtMs?: number };
type Files = readonly Timed[] | Missing;

type Owner = Pick<Revision, 'metadata' | 'spec'>;

const MODE = 0o644;

/** The volumes of a revision with what is in them now; or what is not there of it. */
export async function resolveVolumes(sources: VolumeSources, owner: Owner): Promise<Volumes> {
  const volumes: VolumeSpec[] = [];
  const due: number[] = [];
  for (const volume of owner.spec.volumes ?? []) {
    const { name = '', emptyDir } = volume;
    if (emptyDir !== undefined) {
      volumes.push({
        kind: 'empty',
        name,
        isMemory: emptyDir.medium === 'Memory',
        bytesMax: quantityOf(emptyDir.sizeLimit) || undefined,
      });
      continue;
    }
    const timed = await filesOf(sources, owner, volume);
    if ('kind' in timed) return timed;
    due.push(...timed.flatMap(({ renewAtMs }) => renewAtMs ?? []));
    volumes.push({ kind: 'files', name, files: timed.map(({ renewAtMs: _renewAtMs, ...file }) => file) });
  }
  return { kind: 'resolved', volumes, ...(due.length > 0 && { renewAtMs: Math.min(...due) }) };
}

async function filesOf(sources: VolumeSources, owner: Owner, volume: Volume): Promise<Files> {
  const { reader } = sources;
  const { name = '', secret, configMap, projected } = volume;
  const modeOf = (mode: number | undefined): number => mode ?? MODE;
  if (secret !== undefined)
    return objectFiles(reader, owner, 'Secret', secret.secretName ?? '', secret, modeOf(secret.defaultMode));
  if (configMap !== undefined)
    return objectFiles(
      reader,
      owner,
      'ConfigMap',
      configMap.name ?? '',
      configMap,
      modeOf(configMap.defaultMode),
    );
  if (projected !== undefined) {
    const files: Timed[] = [];
    for (const source of projected.sources ?? []) {
      const more = await projectedFiles(sources, owner, name, source, modeOf(projected.defaultMode));
      if ('kind' in more) return more;
      files.push(...more);
    }
    return files;
  }
  const kind = Object.keys(volume).find((field) => field !== 'name') ?? 'nothing';
  return missing(
    `volume ${name} is of ${kind}, which this platform does not mount; it mounts secret, configMap, projected and emptyDir`,
  );
}

async function projectedFiles(
  { reader, tokens }: VolumeSources,
  owner: Owner,
  volume: string,
  { secret, configMap, downwardAPI, serviceAccountToken }: Projection,
  mode: number,
): Promise<Files> {
  if (secret !== undefined) return objectFiles(reader, owner, 'Secret', secret.name, secret, mode);
  if (configMap !== undefined)
    return objectFiles(reader, owner, 'ConfigMap', configMap.name, configMap, mode);
  if (serviceAccountToken !== undefined) return tokenFile(tokens, owner, serviceAccountToken, mode);
  return downwardFiles(owner, volume, downwardAPI?.items ?? [], mode);
}

/** Kubernetes' own. */
const TOKEN_FOR_S = 3600;

async function tokenFile(
  tokens: AccountTokens | undefined,
  { metadata, spec }: Owner,
  { audience, expirationSeconds = TOKEN_FOR_S, path }: NonNullable<Projection['serviceAccountToken']>,
  mode: number,
): Promise<Files> {
  if (tokens === undefined) return missing('no tokens of service accounts are made here');
  if (!isInside(path)) return missing(`path ${path} of a serviceAccountToken leads out of its volume`);
  const account = spec.serviceAccountName || 'default';
  const namespace = metadata.namespace ?? '';
  const answer = await tokens({ namespace, account, audience: audience || undefined, expirationSeconds });
  if (answer.kind === 'missing') return answer;
  return [{ path, content: Buffer.from(answer.token), mode, renewAtMs: answer.renewAtMs }];
}

async function objectFiles(
  reader: ResourceReader,
  { metadata }: Owner,
  kind: 'Secret' | 'ConfigMap',
  name: string,
  { items, optional = false }: ObjectFiles,
  mode: number,
): Promise<Files> {
  const namespace = metadata.namespace ?? '';
  const keys = await keysOf(reader, namespace, kind, name);
  if (keys === undefined) return optional ? [] : missing(absentObject(kind, namespace, name));
  if (items === undefined) return Object.entries(keys).map(([path, content]) => ({ path, content, mode }));
  const files: VolumeFile[] = [];
  for (const { key, path, mode: own = mode } of items) {
    const content = keys[key];
    if (!isInside(path))
      return missing(`path ${path} of ${kind} ${namespace}/${name} leads out of its volume`);
    if (content !== undefined) files.push({ path, content, mode: own });
    else if (!optional) return missing(absentKey(kind, namespace, name, key, keys));
  }
  return files;
}

function downwardFiles(
  owner: Owner,
  volume: string,
  items: NonNullable<NonNullable<Projection['downwardAPI']>['items']>,
  mode: number,
): Files {
  const files: VolumeFile[] = [];
  for (const { path, fieldRef, resourceFieldRef, mode: own = mode } of items) {
    const container = owner.spec.containers?.find(({ name }) => name === resourceFieldRef?.containerName);
    const content =
      fieldRef === undefined
        ? resourceFieldRef && resourceOf(resourceFieldRef, container ?? {})
        : fieldOf(owner, fieldRef.fieldPath);
    if (content === undefined || !isInside(path))
      return missing(
        `${path} of volume ${volume} is of a field that no instance has here, or leads out of it`,
      );
    files.push({ path, content: content === INSTANCE_ID ? 'instance id' : Buffer.from(content), mode: own });
  }
  return files;
}

/** Kubernetes allows no path that climbs. */
function isInside(path: string): boolean {
  return path !== '' && !path.startsWith('/') && !path.split('/').includes('..');
}

const missing = (reason: string): Missing => ({ kind: 'missing', reason });
