import { describe, expect, it } from 'vitest';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import { containerSourceKind } from '../../../src/apis/sources/container-source/container-source.ts';
import { CONTAINER_SOURCE, type ContainerSource } from '../../../src/apis/sources/container-source/schema.ts';
import { created } from '../../kit/world.ts';

const aSource = (pod: object | undefined, spec: object = {}): ContainerSource => ({
  ...CONTAINER_SOURCE,
  metadata: { name: 'heart', namespace: 'default' },
  spec: { sink: { uri: 'http://sink.example/' }, ...(pod && { template: { spec: pod } }), ...spec },
});
const faults = (...parts: Parameters<typeof aSource>): string =>
  renderFieldErrors(containerSourceKind.validate(aSource(...parts), created()));
const HEART = { name: 'heart', image: 'heart' };

describe('a ContainerSource', () => {
  it('calls its container after itself', () => {
    const named = containerSourceKind.setDefaults(
      aSource({ containers: [{ image: 'heart' }, { ...HEART, name: 'own' }] }),
      created(),
    );
    expect(named.spec.template?.spec?.containers?.map(({ name }) => name)).toEqual(['heart-0', 'own']);
    expect(containerSourceKind.setDefaults(named, created())).toEqual(named);
    expect(containerSourceKind.setDefaults(aSource(undefined), created())).toEqual(aSource(undefined));
  });

  it('is taken with one container and what else a Pod may say', () => {
    expect(
      faults({ containers: [HEART], serviceAccountName: 'default', terminationGracePeriodSeconds: 5 }),
    ).toBe('');
  });

  it.each<[object | undefined, object, string]>([
    [undefined, {}, 'missing field(s): spec.containers'],
    [{ containers: [] }, {}, 'missing field(s): spec.containers'],
    [{ containers: [{}] }, {}, 'missing field(s): spec.containers[0].image, spec.containers[0].name'],
    [{ containers: [HEART] }, { sink: {} }, 'expected at least one, got none: spec.sink.ref, spec.sink.uri'],
    [
      { containers: [HEART] },
      { sink: undefined },
      'expected at least one, got none: spec.sink.ref, spec.sink.uri',
    ],
  ])('refuses %o %o in upstream’s words', (pod, spec, text) => {
    expect(faults(pod, spec)).toBe(text);
  });

  it.each<[string, object]>([
    ['several containers', { containers: [HEART, { ...HEART, name: 'b' }] }],
    ['volumes and init containers', { containers: [HEART], volumes: [], initContainers: [] }],
    [
      'a variable of the Pod',
      {
        containers: [
          { ...HEART, env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
        ],
      },
    ],
  ])('takes %s', (_, pod) => {
    expect(faults(pod)).toBe('');
  });
});
