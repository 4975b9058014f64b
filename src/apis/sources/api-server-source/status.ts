/** eventing pkg/apis/sources/v1/apiserver_lifecycle.go, in the order in which they come true here. */
export const API_SERVER_SOURCE_CONDITIONS: readonly string[] = [
  'SinkProvided',
  'OIDCIdentityCreated',
  'SufficientPermissions',
  'Deployed',
];

const typesOf = (what: string): readonly string[] =>
  ['add', 'delete', 'update'].map((verb) => `dev.knative.apiserver.${what}.${verb}`);

/** eventing pkg/apis/sources/register.go. */
export const API_SERVER_EVENT_TYPES: Readonly<Record<'Reference' | 'Resource', readonly string[]>> = {
  Reference: typesOf('ref'),
  Resource: typesOf('resource'),
};
