/**
 * knative-gcp pkg/apis/events/v1/cloudpubsubsource_types.go has `PullSubscriptionReady` alone, which stands for another
 * object; that object's `SinkProvided` stands here, since there is none.
 */
export const CLOUD_PUBSUB_SOURCE_CONDITIONS: readonly string[] = ['SinkProvided', 'PullSubscriptionReady'];
