import { posix } from 'node:path';
import {
  below,
  disallowedField,
  invalidValue,
  missingField,
  multipleOneOf,
  oneOf,
  pathless,
} from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import { labelFault } from '../../names.ts';
import type { Container, DownwardFile, KeyToPath, Projection, Volume, VolumeMount } from '../types.ts';
import { required } from './validate-probes.ts';

type Flags = (name: string) => 'enabled' | 'allowed' | 'disabled';

/** Volume sources that a flag allows, with the words of their refusal. */
const BY_FLAG = [
  ['emptyDir', 'EmptyDir', 'kubernetes.podspec-volumes-emptydir'],
  ['hostPath', 'HostPath', 'kubernetes.podspec-volumes-hostpath'],
  ['csi', 'CSI', 'kubernetes.podspec-volumes-csi'],
  ['ephemeral', 'Ephemeral', 'kubernetes.podspec-volumes-ephemeral'],
  ['image', 'Image', 'kubernetes.podspec-volumes-image'],
] as const;
const CLAIM = ['persistentVolumeClaim', 'kubernetes.podspec-persistent-volume-claim'] as const;
const ALWAYS = ['secret', 'configMap', 'projected'] as const;
const RESERVED_PATHS = new Set(['/', '/dev', '/dev/log']);

/** serving pkg/apis/serving/k8s_validation.go, ValidateVolumes. */
export function volumesErrors(
  volumes: readonly Volume[],
  containers: readonly Container[],
  flags: Flags,
): FieldError[] {
  const mounted = new Set(
    containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name)),
  );
  const seen = new Set<string | undefined>();
  return volumes.flatMap((volume, i) => {
    const { name = '' } = volume;
    const isTwice = seen.has(name);
    seen.add(name);
    return below(`[${i}]`, [
      ...(isTwice ? [{ message: `duplicate volume name "${name}"`, paths: ['name'] }] : []),
      ...(mounted.has(name) ? [] : [{ message: `volume with name "${name}" not mounted`, paths: ['name'] }]),
      ...volumeErrors(volume, flags),
    ]);
  });
}

/** A name that is none is all that is said of what would be disabled. */
function volumeErrors(volume: Volume, flags: Flags): FieldError[] {
  const { name = '', secret, configMap, projected, emptyDir } = volume;
  const named = [
    ...ALWAYS,
    'emptyDir',
    'persistentVolumeClaim',
    'hostPath',
    'csi',
    'ephemeral',
    'image',
  ].filter((source) => Reflect.get(volume, source) !== undefined);
  return [
    ...(nameFault(name) ?? disabledErrors(volume, flags)),
    ...disallowedSources(volume, flags),
    ...itemsErrors(secret?.items),
    ...itemsErrors(configMap?.items),
    ...(projected?.sources ?? []).flatMap((source, i) => below(`projected[${i}]`, projectionErrors(source))),
    ...below('emptyDir', emptyDirErrors(emptyDir)),
    ...below('image', imageErrors(Reflect.get(volume, 'image'))),
    ...sourceErrors(named, flags),
  ];
}

function nameFault(name: string): FieldError[] | undefined {
  if (name === '') return [missingField('name')];
  return labelFault(name) === undefined ? undefined : [invalidValue(name, 'name')];
}

function disabledErrors(volume: Volume, flags: Flags): FieldError[] {
  const off = BY_FLAG.filter(
    ([source, , flag]) => Reflect.get(volume, source) !== undefined && flags(flag) !== 'enabled',
  );
  return [
    ...claimErrors(volume, flags),
    ...off.map(([, shown]) =>
      pathless(`${shown} volume support is disabled, but found ${shown} volume ${volume.name}`),
    ),
  ];
}

/** Sources that are unknown here, or whose flag says so. */
function disallowedSources(volume: Volume, flags: Flags): FieldError[] {
  const refused = [...BY_FLAG.map(([source, , flag]) => [source, flag] as const), CLAIM].filter(
    ([, flag]) => flags(flag) === 'disabled',
  );
  const known = ['name', ...ALWAYS, ...BY_FLAG.map(([source]) => source), CLAIM[0]];
  return Object.keys(volume)
    .filter((source) => !known.includes(source) || refused.some(([each]) => each === source))
    .map((source) => disallowedField(source));
}

/** An image, which a flag allows. */
function imageErrors(image: unknown): FieldError[] {
  if (image === undefined) return [];
  const { reference, pullPolicy = '' } = Object(image) as { reference?: string; pullPolicy?: string };
  return [
    ...required(reference, 'reference'),
    ...(['', 'IfNotPresent', 'Always', 'Never'].includes(pullPolicy)
      ? []
      : [invalidValue(pullPolicy, 'pullPolicy')]),
  ];
}

function sourceErrors(named: readonly string[], flags: Flags): FieldError[] {
  if (named.length > 1) return [multipleOneOf(...named)];
  if (named.length === 1) return [];
  const possible = [...BY_FLAG.map(([source, , flag]) => [source, flag] as const), CLAIM].filter(
    ([, flag]) => flags(flag) === 'enabled',
  );
  return [oneOf(...ALWAYS, ...possible.map(([source]) => source))];
}

function claimErrors({ persistentVolumeClaim: claim }: Volume, flags: Flags): FieldError[] {
  if (claim === undefined) return [];
  const { claimName = '', readOnly = false } = claim;
  const isOff = flags(CLAIM[1]) !== 'enabled';
  const isWriteOff = flags('kubernetes.podspec-persistent-volume-write') !== 'enabled';
  const found = `but found persistent volume claim ${claimName}`;
  return [
    ...(isOff ? [pathless(`Persistent volume claim support is disabled, ${found}`)] : []),
    ...(isWriteOff && !readOnly
      ? [pathless(`Persistent volume write support is disabled, ${found} that is not read-only`)]
      : []),
  ];
}

function emptyDirErrors(emptyDir: Volume['emptyDir']): FieldError[] {
  const { medium = '', sizeLimit } = emptyDir ?? {};
  return [
    ...(medium === '' || medium === 'Memory' ? [] : [invalidValue(medium, 'medium')]),
    ...(String(sizeLimit ?? '').startsWith('-') ? [invalidValue(sizeLimit, 'sizeLimit')] : []),
  ];
}

function projectionErrors(projection: Projection): FieldError[] {
  const { secret, configMap, serviceAccountToken, downwardAPI } = projection;
  const sources = ['secret', 'configMap', 'serviceAccountToken', 'downwardAPI'] as const;
  const named = sources.filter((source) => projection[source] !== undefined);
  const unknown = Object.keys(projection).filter((source) => !sources.some((each) => each === source));
  return [
    ...unknown.map((source) => disallowedField(source)),
    ...(secret === undefined
      ? []
      : below('secret', [...required(secret.name, 'name'), ...itemsErrors(secret.items)])),
    ...(configMap === undefined
      ? []
      : below('configMap', [...required(configMap.name, 'name'), ...itemsErrors(configMap.items)])),
    ...(serviceAccountToken === undefined
      ? []
      : required(serviceAccountToken.path, 'serviceAccountToken.path')),
    ...below(
      'downwardAPI',
      (downwardAPI?.items ?? []).flatMap((item, i) => below(`items[${i}]`, downwardErrors(item))),
    ),
    ...(named.length === 0 ? [oneOf(...sources)] : named.length > 1 ? [multipleOneOf(...named)] : []),
  ];
}

function downwardErrors({ path, fieldRef, resourceFieldRef }: DownwardFile): FieldError[] {
  return [
    ...(fieldRef === undefined && resourceFieldRef === undefined
      ? [oneOf('fieldRef', 'resourceFieldRef')]
      : []),
    ...(fieldRef !== undefined && resourceFieldRef !== undefined
      ? [{ message: 'Within a single item, cannot set both', paths: ['resourceFieldRef', 'fieldRef'] }]
      : []),
    ...required(path, 'path'),
  ];
}

function itemsErrors(items: readonly KeyToPath[] = []): FieldError[] {
  return items.flatMap(({ key, path }, i) =>
    below(`items[${i}]`, [...required(key, 'key'), ...required(path, 'path')]),
  );
}

/** serving pkg/apis/serving/k8s_validation.go, validateVolumeMounts. */
export function mountsErrors(
  mounts: readonly VolumeMount[],
  volumes: readonly Volume[],
  flags: Flags,
): FieldError[] {
  const seen = new Set<string>();
  return mounts.flatMap((mount, i) => {
    const { name, mountPath = '', readOnly = false } = mount;
    const path = posix.normalize(mountPath).replace(/(.)\/$/, '$1');
    const volume = volumes.find((each) => each.name === name);
    const isTwice = seen.has(path);
    seen.add(path);
    const mustBeReadOnly = volume?.emptyDir === undefined && volume?.persistentVolumeClaim === undefined;
    return below(`[${i}]`, [
      ...disallowedMountFields(mount, flags),
      ...(volume === undefined ? [{ message: 'volumeMount has no matching volume', paths: ['name'] }] : []),
      ...pathErrors(mountPath, path, isTwice),
      ...(mustBeReadOnly && !readOnly && Reflect.get(volume ?? {}, 'ephemeral') === undefined
        ? [{ message: 'volume mount should be readOnly for this type of volume', paths: ['readOnly'] }]
        : []),
      ...propagationErrors(mount, flags),
      ...(volume?.persistentVolumeClaim?.readOnly === true && !readOnly
        ? [{ message: 'volume is readOnly but volume mount is not', paths: ['readOnly'] }]
        : []),
    ]);
  });
}

function disallowedMountFields(mount: VolumeMount, flags: Flags): FieldError[] {
  const hasPropagation = flags('kubernetes.podspec-volumes-mount-propagation') !== 'disabled';
  const allowed = [
    'name',
    'readOnly',
    'mountPath',
    'subPath',
    ...(hasPropagation ? ['mountPropagation'] : []),
  ];
  return Object.keys(mount)
    .filter((field) => !allowed.includes(field))
    .map((field) => disallowedField(field));
}

function propagationErrors(mount: VolumeMount, flags: Flags): FieldError[] {
  const propagation: unknown = Reflect.get(mount, 'mountPropagation');
  if (propagation === undefined) return [];
  const isOff = flags('kubernetes.podspec-volumes-mount-propagation') !== 'enabled';
  const message = `Volume Mount Propagation support is disabled, but found volume mount ${mount.name ?? ''} with mount propagation`;
  const isKnown = propagation === 'None' || propagation === 'HostToContainer';
  return [
    ...(isOff ? [pathless(message)] : []),
    ...(isKnown
      ? []
      : [
          {
            message: 'mount propagation should be set to None or HostToContainer',
            paths: ['mountPropagation'],
          },
        ]),
  ];
}

function pathErrors(mountPath: string, path: string, isTwice: boolean): FieldError[] {
  if (mountPath === '') return required('', 'mountPath');
  if (RESERVED_PATHS.has(path))
    return [{ message: `mountPath "${path}" is a reserved path`, paths: ['mountPath'] }];
  if (!posix.isAbsolute(mountPath)) return [invalidValue(mountPath, 'mountPath')];
  return isTwice ? [invalidValue(`"${mountPath}" must be unique`, 'mountPath')] : [];
}
