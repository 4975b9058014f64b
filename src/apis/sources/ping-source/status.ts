/** eventing pkg/apis/sources/v1/ping_lifecycle.go. */
export const PING_SOURCE_CONDITIONS: readonly string[] = ['SinkProvided', 'Deployed', 'OIDCIdentityCreated'];
