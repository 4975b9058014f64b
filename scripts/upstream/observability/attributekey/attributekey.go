// Package attributekey stands in for one that the older knative.dev/pkg does not have; no metric is read here.
package attributekey

import "go.opentelemetry.io/otel/attribute"

type String string

func (key String) With(value string) attribute.KeyValue {
	return attribute.String(string(key), value)
}
