import type { Container, RevisionTemplate } from '../../src/apis/serving/types.ts';
import { KINDS } from '../../src/apis/serving/types.ts';

export const IMAGE = 'dev.local/hello';

type Parts = {
  readonly name?: string;
  readonly spec?: object;
  readonly container?: Partial<Container> & object;
  readonly metadata?: object;
  readonly template?: RevisionTemplate['metadata'];
  readonly traffic?: readonly object[];
};

/** A Service in `default` as a user writes it. */
export const aService = ({
  name = 'hello',
  spec,
  container,
  metadata,
  template,
  traffic,
}: Parts = {}): object => ({
  ...KINDS.service,
  metadata: { name, namespace: 'default', ...metadata },
  spec: {
    template: {
      ...(template && { metadata: template }),
      spec: { containers: [{ image: IMAGE, ...container }], ...spec },
    },
    ...(traffic && { traffic }),
  },
});

export const aConfiguration = (parts: Parts = {}): object => {
  const service = aService(parts) as { spec: { template: object }; metadata: object };
  return { ...KINDS.configuration, metadata: service.metadata, spec: { template: service.spec.template } };
};

export const aRevision = (name: string, annotations: Record<string, string> = {}, image = IMAGE): object => ({
  ...KINDS.revision,
  metadata: { name, namespace: 'default', annotations },
  spec: { containers: [{ image }] },
});

export const aRoute = (
  name: string,
  traffic: readonly object[],
  labels: Record<string, string> = {},
): object => ({
  ...KINDS.route,
  metadata: { name, namespace: 'default', labels },
  spec: { traffic },
});
