// Package runtime stands in for one that the older knative.dev/pkg does not have.
package runtime

// ProfilingDefaultPort is reserved in a container's ports.
const ProfilingDefaultPort = 8008
