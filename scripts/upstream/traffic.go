package main

import (
	"encoding/json"
	"errors"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	listers "knative.dev/serving/pkg/client/listers/serving/v1"
	"knative.dev/serving/pkg/reconciler/route/traffic"
)

// A Route, and the Configurations and Revisions that there are.
type trafficQuestion struct {
	Route          *servingv1.Route           `json:"route"`
	Configurations []*servingv1.Configuration `json:"configurations"`
	Revisions      []*servingv1.Revision      `json:"revisions"`
}

// By tag, who gets what; or why nobody does.
type trafficAnswer struct {
	Targets map[string][]target `json:"targets,omitempty"`
	Status  string              `json:"status,omitempty"`
	Reason  string              `json:"reason,omitempty"`
	Message string              `json:"message,omitempty"`
}

type target struct {
	Revision      string `json:"revisionName"`
	Configuration string `json:"configurationName,omitempty"`
	Percent       int64  `json:"percent"`
	IsLatest      bool   `json:"latestRevision"`
	Protocol      string `json:"protocol"`
}

// shares is what the traffic of a Route comes down to.
func shares(line []byte) (any, error) {
	var asked trafficQuestion
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	configurations, revisions := index(asked.Configurations), index(asked.Revisions)
	config, err := traffic.BuildTrafficConfiguration(
		listers.NewConfigurationLister(configurations), listers.NewRevisionLister(revisions), asked.Route)
	var bad traffic.TargetError
	if errors.As(err, &bad) {
		var status servingv1.RouteStatus
		bad.MarkBadTrafficTarget(&status)
		condition := status.GetCondition(servingv1.RouteConditionAllTrafficAssigned)
		return trafficAnswer{Status: said(condition.Status), Reason: condition.Reason, Message: condition.Message}, nil
	}
	if err != nil {
		return nil, err
	}
	answer := trafficAnswer{Targets: map[string][]target{}}
	for tag, targets := range config.Targets {
		for _, each := range targets {
			answer.Targets[tag] = append(answer.Targets[tag], target{
				Revision:      each.RevisionName,
				Configuration: each.ConfigurationName,
				Percent:       *each.Percent,
				IsLatest:      *each.LatestRevision,
				Protocol:      string(each.Protocol),
			})
		}
	}
	return answer, nil
}

func said(status corev1.ConditionStatus) string { return string(status) }

func index[Object metav1.Object](objects []Object) cache.Indexer {
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, object := range objects {
		if err := indexer.Add(object); err != nil {
			panic(err) // each has a name
		}
	}
	return indexer
}
