/** One of Knative Serving's own suites: a Go package, and the settings that its maintainers run it with (test/e2e-tests.sh). */
export type Suite = {
  readonly package: string;
  /** ConfigMaps of knative-serving, and what is set in them while it runs. */
  readonly settings: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

const features = (...names: string[]): Suite['settings'] => ({
  'config-features': Object.fromEntries(names.map((name) => [name, 'Enabled'])),
});

/** By the name that they are called by here. What needs cert-manager, several nodes or a mesh is not among them. */
export const SUITES: Readonly<Record<string, Suite>> = {
  api: { package: 'test/conformance/api/v1', settings: {} },
  'api-v1beta1': { package: 'test/conformance/api/v1beta1', settings: {} },
  runtime: { package: 'test/conformance/runtime', settings: {} },
  e2e: { package: 'test/e2e', settings: {} },
  'tag-header': { package: 'test/e2e/tagheader', settings: features('tag-header-based-routing') },
  'initial-scale': {
    package: 'test/e2e/initscale',
    settings: { 'config-autoscaler': { 'allow-zero-initial-scale': 'true' } },
  },
  'domain-mapping': { package: 'test/e2e/domainmapping', settings: {} },
  gc: {
    package: 'test/e2e/gc',
    settings: {
      'config-gc': {
        'retain-since-create-time': 'disabled',
        'retain-since-last-active-time': 'disabled',
        'min-non-active-revisions': '0',
        'max-non-active-revisions': '0',
      },
    },
  },
  'init-containers': {
    package: 'test/e2e/initcontainers',
    settings: features('kubernetes.podspec-init-containers'),
  },
  'multi-container-probing': {
    package: 'test/e2e/multicontainerprobing',
    settings: features('multi-container-probing'),
  },
  'secure-defaults': { package: 'test/e2e/securedefaults', settings: features('secure-pod-defaults') },
};

/** What decides whether an installation may be called Knative conformant. */
export const CONFORMANCE: readonly string[] = ['api', 'api-v1beta1', 'runtime'];
