import type { Informers } from '../control/informer.ts';
import type { ReadSecret } from '../sources/source.ts';

const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };
const SECRET = { apiVersion: 'v1', kind: 'Secret' };

type Data = Readonly<Record<string, string>>;
/** The data of an object; undefined: it is not there. */
export type ReadData = (namespace: string, name: string) => Data | undefined;

// ConfigMaps and Secrets as they are now, from the informers: reading one costs no request.

export function configMapReader(informers: Informers): ReadData {
  return dataReader(informers, CONFIG_MAP);
}

/** Decoded to text. */
export function secretDataReader(informers: Informers): ReadData {
  const read = dataReader(informers, SECRET);
  return (namespace, name) => {
    const data = read(namespace, name);
    return data && Object.fromEntries(Object.entries(data).map(([key, value]) => [key, decoded(value)]));
  };
}

export function secretReader(informers: Informers): ReadSecret {
  const read = dataReader(informers, SECRET);
  return (namespace, name, key) => {
    const value = read(namespace, name)?.[key];
    return value === undefined ? undefined : decoded(value);
  };
}

function dataReader(informers: Informers, kind: typeof CONFIG_MAP): ReadData {
  const objects = informers.of(kind);
  return (namespace, name) => {
    const found = objects.get(`${namespace}/${name}`);
    return found && (Object(Reflect.get(found, 'data')) as Data); // its schema says so
  };
}

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString();
