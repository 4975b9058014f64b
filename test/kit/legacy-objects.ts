import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

/** What people applied in 2018, as the eventing manifests of the reference have it. */
export const MANIFESTS = readFileSync(
  fileURLToPath(new URL('../legacy/eventing-of-2018.yaml', import.meta.url)),
  'utf8',
);

export const manifests = (): readonly object[] =>
  parseAllDocuments(MANIFESTS).map((document) => ({
    ...(document.toJS() as object),
    metadata: { ...Object(Reflect.get(document.toJS() as object, 'metadata')), namespace: 'default' },
  }));

type Kind = { readonly apiVersion: string; readonly kind: string };

/** Any object in `default`. */
export const anObject = (kind: Kind, name: string, spec: object = {}): object => ({
  ...kind,
  metadata: { name, namespace: 'default' },
  spec,
});

/** One that has no namespace. */
export const aClusterObject = (kind: Kind, name: string, spec: object = {}): object => ({
  ...kind,
  metadata: { name },
  spec,
});

export const CREDENTIALS = { accessToken: 'gh-access', secretToken: 'gh-secret' };

/** A Secret as the samples of 2018 had it: a JSON object below one key. */
export const aGitHubSecret = (value: string = JSON.stringify(CREDENTIALS)): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'githubsecret', namespace: 'default' },
  stringData: { githubCredentials: value },
});

export const GITHUB_TRIGGER = {
  eventType: 'pullrequest',
  service: 'github',
  resource: 'owner/repo',
  parametersFrom: [{ secretKeyRef: { name: 'githubsecret', key: 'githubCredentials' } }],
};

/** A serving Service, as far as a name of then can mean it. */
export const aService = (name: string, namespace = 'default'): object => ({
  apiVersion: 'serving.knative.dev/v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec: { template: { spec: { containers: [{ image: 'x' }] } } },
});

export const READY = { conditions: [{ type: 'Ready', status: 'True' }], observedGeneration: 1 };
export const failing = (reason: string, message: string): object => ({
  conditions: [{ type: 'Ready', status: 'False', reason, message }],
  observedGeneration: 1,
});
