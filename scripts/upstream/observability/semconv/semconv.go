// Package semconv stands in for one that the older knative.dev/pkg does not have; no metric is read here.
package semconv

import "go.opentelemetry.io/otel/attribute"

func K8SNamespaceName(name string) attribute.KeyValue {
	return attribute.String("k8s.namespace.name", name)
}
