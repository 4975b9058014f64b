package main

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	netcfg "knative.dev/networking/pkg/config"
	"knative.dev/serving/pkg/apis/config"
	asconfig "knative.dev/serving/pkg/autoscaler/config"
	"knative.dev/serving/pkg/deployment"
	"knative.dev/serving/pkg/gc"
	domainconfig "knative.dev/serving/pkg/reconciler/route/config"
)

// The readers that cmd/webhook asks, of those whose packages can be had.
var readers = map[string]func(*corev1.ConfigMap) error{
	"config-autoscaler": readBy(asconfig.NewConfigFromConfigMap),
	"config-defaults":   readBy(config.NewDefaultsConfigFromConfigMap),
	"config-features":   readBy(config.NewFeaturesConfigFromConfigMap),
	"config-gc":         readBy(gc.NewConfigFromConfigMapFunc(context.Background())),
	"config-deployment": readBy(deployment.NewConfigFromConfigMap),
	"config-network":    readBy(netcfg.NewConfigFromConfigMap),
	"config-domain":     readBy(domainconfig.NewDomainFromConfigMap),
}

func readBy[Config any](read func(*corev1.ConfigMap) (Config, error)) func(*corev1.ConfigMap) error {
	return func(configMap *corev1.ConfigMap) error {
		_, err := read(configMap)
		return err
	}
}

type configMapQuestion struct {
	Name string            `json:"name"`
	Data map[string]string `json:"data"`
}

type fault struct {
	Fault string `json:"fault,omitempty"`
}

// checkConfigMap says why a ConfigMap would be refused.
func checkConfigMap(line []byte) (any, error) {
	var asked configMapQuestion
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	read, ok := readers[asked.Name]
	if !ok {
		return nil, fmt.Errorf("no reader of %q", asked.Name)
	}
	if err := read(configMapOf(asked.Name, asked.Data)); err != nil {
		return fault{Fault: err.Error()}, nil
	}
	return fault{}, nil
}

func configMapOf(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "knative-serving", Name: name}, Data: data}
}
