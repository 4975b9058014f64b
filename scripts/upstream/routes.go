package main

import (
	"context"
	"encoding/json"

	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	netcfg "knative.dev/networking/pkg/config"
	"knative.dev/pkg/logging"
	domainconfig "knative.dev/serving/pkg/reconciler/route/config"
	"knative.dev/serving/pkg/reconciler/route/domains"
	"knative.dev/serving/pkg/reconciler/route/traffic"
)

// A roll-out and what happens to it, one after the other.
type rollOutQuestion struct {
	Before *traffic.Rollout `json:"before"`
	Events []struct {
		At              int64            `json:"at"` // nanoseconds
		Goal            *traffic.Rollout `json:"goal"`
		ReadyForSeconds float64          `json:"readyForSeconds"` // over 0: the network has taken it up, and it is to last so long
	} `json:"events"`
}

type rollOutAnswer struct {
	Rollout json.RawMessage `json:"rollout"`
	Next    int64           `json:"next,omitempty"`
}

func rollOut(line []byte) (any, error) {
	var asked rollOutQuestion
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	ctx := logging.WithLogger(context.Background(), zap.NewNop().Sugar())
	answers := []rollOutAnswer{}
	current := asked.Before
	for _, event := range asked.Events {
		stepped, next, ok := stepOrPanic(ctx, event.Goal, current, event.At)
		if !ok {
			break
		}
		current = stepped
		if event.ReadyForSeconds > 0 {
			current.ObserveReady(ctx, event.At, event.ReadyForSeconds)
		}
		written, err := json.Marshal(current)
		if err != nil {
			return nil, err
		}
		answers = append(answers, rollOutAnswer{Rollout: written, Next: next})
	}
	return answers, nil
}

// stepOrPanic does not answer where upstream reads beyond a list: a share that is cut while it is rolled out.
func stepOrPanic(ctx context.Context, goal, before *traffic.Rollout, at int64) (rollout *traffic.Rollout, next int64, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	rollout, next = goal.Step(ctx, before, at)
	return rollout, next, true
}

type hostsQuestion struct {
	Meta    metav1.ObjectMeta `json:"metadata"`
	Tag     string            `json:"tag"`
	Domain  map[string]string `json:"domain"`
	Network map[string]string `json:"network"`
}

type hostsAnswer struct {
	Host  string `json:"host,omitempty"`
	Fault string `json:"fault,omitempty"`
}

// hosts is the public name of a Route or of one of its tags.
func hosts(line []byte) (any, error) {
	var asked hostsQuestion
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	domain, err := domainconfig.NewDomainFromConfigMap(configMapOf("config-domain", asked.Domain))
	if err != nil {
		return nil, err
	}
	network, err := netcfg.NewConfigFromMap(asked.Network)
	if err != nil {
		return nil, err
	}
	ctx := domainconfig.ToContext(context.Background(), &domainconfig.Config{Domain: domain, Network: network})
	name, err := domains.HostnameFromTemplate(ctx, asked.Meta.Name, asked.Tag)
	if err != nil {
		return hostsAnswer{Fault: err.Error()}, nil
	}
	host, err := domains.DomainNameFromTemplate(ctx, asked.Meta, name)
	if err != nil {
		return hostsAnswer{Fault: err.Error()}, nil
	}
	return hostsAnswer{Host: host}, nil
}
