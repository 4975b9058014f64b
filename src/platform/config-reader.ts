import type { Informers } from '../control/informer.ts';
import type { SourceContext } from '../sources/source.ts';

const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };

/** ConfigMaps of `knative-eventing` as they are now, from the informer. */
export function configReader(informers: Informers): NonNullable<SourceContext['configMap']> {
  const configMaps = informers.of(CONFIG_MAP);
  return (name) => {
    const found = configMaps.get(`knative-eventing/${name}`);
    const data: Readonly<Record<string, string>> = Object(Reflect.get(Object(found), 'data')); // its schema says so
    return found === undefined ? undefined : data;
  };
}
