package main

import (
	"context"
	"encoding/json"
	"fmt"

	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	"knative.dev/pkg/apis"
	"knative.dev/pkg/webhook/resourcesemantics"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/apis/config"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	servingv1beta1 "knative.dev/serving/pkg/apis/serving/v1beta1"
	asconfig "knative.dev/serving/pkg/autoscaler/config"
)

// The kinds of cmd/webhook.
var kinds = map[string]func() resourcesemantics.GenericCRD{
	"Service":           func() resourcesemantics.GenericCRD { return &servingv1.Service{} },
	"Configuration":     func() resourcesemantics.GenericCRD { return &servingv1.Configuration{} },
	"Route":             func() resourcesemantics.GenericCRD { return &servingv1.Route{} },
	"Revision":          func() resourcesemantics.GenericCRD { return &servingv1.Revision{} },
	"DomainMapping":     func() resourcesemantics.GenericCRD { return &servingv1beta1.DomainMapping{} },
	"PodAutoscaler":     func() resourcesemantics.GenericCRD { return &autoscalingv1alpha1.PodAutoscaler{} },
	"Metric":            func() resourcesemantics.GenericCRD { return &autoscalingv1alpha1.Metric{} },
	"Ingress":           func() resourcesemantics.GenericCRD { return &netv1alpha1.Ingress{} },
	"ServerlessService": func() resourcesemantics.GenericCRD { return &netv1alpha1.ServerlessService{} },
}

type admission struct {
	Kind    string                       `json:"kind"`
	Object  json.RawMessage              `json:"object"`
	Old     json.RawMessage              `json:"old"`
	Configs map[string]map[string]string `json:"configs"`
}

// verdict is the object with its defaults, and what its validation says; `decode` instead when it cannot even be read.
type verdict struct {
	Object json.RawMessage `json:"object,omitempty"`
	Fault  string          `json:"fault,omitempty"`
	Decode string          `json:"decode,omitempty"`
}

// admit is what the defaulting and then the validating webhook do to an object. Between the two it is JSON again, as is
// what it replaces, which has been through the same.
func admit(line []byte) (any, error) {
	var asked admission
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	newKind, ok := kinds[asked.Kind]
	if !ok {
		return nil, fmt.Errorf("no kind %q", asked.Kind)
	}
	ctx, err := withConfigs(asked.Configs)
	if err != nil {
		return nil, err
	}
	within := apis.WithinCreate(ctx)
	if len(asked.Old) != 0 {
		old := newKind()
		if err := json.Unmarshal(asked.Old, old); err != nil {
			return nil, err
		}
		within = apis.WithinUpdate(ctx, old)
	}
	whole, err := withDefaults(within, newKind(), asked.Object)
	if err != nil {
		return verdict{Decode: err.Error()}, nil
	}
	object := newKind()
	if err := json.Unmarshal(whole, object); err != nil {
		return nil, err
	}
	answer := verdict{Object: whole}
	if errs := object.Validate(within).Filter(apis.ErrorLevel); errs != nil {
		answer.Fault = errs.Error()
	}
	return answer, nil
}

func withDefaults(ctx context.Context, object resourcesemantics.GenericCRD, raw []byte) ([]byte, error) {
	if err := json.Unmarshal(raw, object); err != nil {
		return nil, err
	}
	object.SetDefaults(ctx)
	return json.Marshal(object)
}

// withConfigs is the context of the webhook's store when these ConfigMaps are there.
func withConfigs(data map[string]map[string]string) (context.Context, error) {
	defaults, err := config.NewDefaultsConfigFromMap(data["config-defaults"])
	if err != nil {
		return nil, err
	}
	features, err := config.NewFeaturesConfigFromMap(data["config-features"])
	if err != nil {
		return nil, err
	}
	autoscaler, err := asconfig.NewConfigFromMap(data["config-autoscaler"])
	if err != nil {
		return nil, err
	}
	all := &config.Config{Defaults: defaults, Features: features, Autoscaler: autoscaler}
	return config.ToContext(context.Background(), all), nil
}
