package main

import (
	"context"
	"encoding/json"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"knative.dev/serving/pkg/apis/autoscaling"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	asconfig "knative.dev/serving/pkg/autoscaler/config"
	"knative.dev/serving/pkg/autoscaler/metrics"
	"knative.dev/serving/pkg/autoscaler/scaling"
	kparesources "knative.dev/serving/pkg/reconciler/autoscaling/kpa/resources"
	"knative.dev/serving/pkg/reconciler/autoscaling/resources"
)

// A day of traffic: what is under way (of `rps`: what begins) in each second. Every other second is decided. An instance
// that is wanted is ready `startupSeconds` later.
type day struct {
	Annotations          map[string]string `json:"annotations"`
	ContainerConcurrency int64             `json:"containerConcurrency"`
	Config               map[string]string `json:"config"`
	IsUnreachable        bool              `json:"isUnreachable"`
	Ready                int               `json:"ready"` // at the start
	StartupSeconds       int               `json:"startupSeconds"`
	Loads                []float64         `json:"loads"`
}

// curve has a value for each decision. Excess is the autoscaler's; wanted is within the bounds of the revision.
type curve struct {
	Plan   plan      `json:"plan"`
	Ready  []int     `json:"ready"`
	Wanted []int32   `json:"wanted"`
	Excess []int32   `json:"excess"`
	Panic  []int64   `json:"panic"`
	Stable []float64 `json:"stable"`
}

// plan is what follows from annotations and config-autoscaler.
type plan struct {
	Target       float64 `json:"target"`
	Total        float64 `json:"total"`
	WindowMs     int64   `json:"windowMs"`
	PanicMs      int64   `json:"panicWindowMs"`
	MinScale     int32   `json:"minScale"`
	MaxScale     int32   `json:"maxScale"`
	InitialScale int32   `json:"initialScale"`
}

var key = types.NamespacedName{Namespace: "default", Name: "day"}

func scale(line []byte) (any, error) {
	var asked day
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	config, err := asconfig.NewConfigFromMap(asked.Config)
	if err != nil {
		return nil, err
	}
	pa := asked.podAutoscaler()
	decider := kparesources.MakeDecider(pa, config)
	metric := resources.MakeMetric(pa, "instances", config)
	logger := zap.NewNop().Sugar()
	collector := metrics.NewMetricCollector(nothingToScrape, logger)
	if err := collector.CreateOrUpdate(metric); err != nil {
		return nil, err
	}
	defer collector.Delete(key.Namespace, key.Name)

	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	pods := &pods{ready: asked.Ready, wanted: int32(asked.Ready), startup: asked.StartupSeconds}
	start := time.Now() // before the autoscaler, which may begin in panic
	scaler := scaling.New(attribute.NewSet(), provider, key.Namespace, key.Name, collector, pods, &decider.Spec)
	lowest, highest := pa.ScaleBounds(config)

	answer := curve{Plan: plan{
		Target:       decider.Spec.TargetValue,
		Total:        decider.Spec.TotalValue,
		WindowMs:     decider.Spec.StableWindow.Milliseconds(),
		PanicMs:      metric.Spec.PanicWindow.Milliseconds(),
		MinScale:     lowest,
		MaxScale:     highest,
		InitialScale: decider.Spec.InitialScale,
	}}
	for second, load := range asked.Loads {
		now := start.Add(time.Duration(second) * time.Second)
		collector.Record(key, now, metrics.Stat{AverageConcurrentRequests: load, RequestCount: load})
		pods.rise(second)
		if second%2 == 1 {
			continue
		}
		result := scaler.Scale(logger, now)
		wanted := bounded(result.DesiredPodCount, lowest, highest, config.EnableScaleToZero)
		isPanicking, stable, err := observed(reader)
		if err != nil {
			return nil, err
		}
		answer.Ready = append(answer.Ready, pods.ready)
		answer.Wanted = append(answer.Wanted, wanted)
		answer.Excess = append(answer.Excess, result.ExcessBurstCapacity)
		answer.Panic = append(answer.Panic, isPanicking)
		answer.Stable = append(answer.Stable, stable)
		pods.want(wanted, second)
	}
	return answer, nil
}

func (asked day) podAutoscaler() *autoscalingv1alpha1.PodAutoscaler {
	pa := &autoscalingv1alpha1.PodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Annotations: asked.Annotations},
		Spec: autoscalingv1alpha1.PodAutoscalerSpec{
			ContainerConcurrency: asked.ContainerConcurrency,
			Reachability:         autoscalingv1alpha1.ReachabilityReachable,
		},
	}
	if asked.IsUnreachable {
		pa.Spec.Reachability = autoscalingv1alpha1.ReachabilityUnreachable
	}
	return pa
}

// bounded is what kpa/scaler.go makes of a decision once the revision has been up.
func bounded(wanted, lowest, highest int32, isScaledToZero bool) int32 {
	if wanted < lowest {
		wanted = lowest
	}
	if highest != 0 && wanted > highest {
		wanted = highest
	}
	if wanted == 0 && !isScaledToZero {
		return 1
	}
	return wanted
}

// observed is whether it panics, and the mean of the stable window, as its metrics say.
func observed(reader *sdkmetric.ManualReader) (int64, float64, error) {
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		return 0, 0, err
	}
	var isPanicking int64
	var stable float64
	for _, scope := range all.ScopeMetrics {
		for _, each := range scope.Metrics {
			switch each.Name {
			case "kn.revision.panic.mode":
				isPanicking = each.Data.(metricdata.Gauge[int64]).DataPoints[0].Value
			case "kn.revision." + autoscaling.Concurrency + ".stable", "kn.revision." + autoscaling.RPS + ".stable":
				stable = each.Data.(metricdata.Gauge[float64]).DataPoints[0].Value
			}
		}
	}
	return isPanicking, stable, nil
}

// pods are the instances of a revision: those that are ready, and those that will be.
type pods struct {
	ready    int
	wanted   int32
	startup  int
	starting []batch
}

type batch struct{ second, count int }

func (p *pods) ReadyCount() (int, error)    { return p.ready, nil }
func (p *pods) NotReadyCount() (int, error) { return 0, nil }

func (p *pods) rise(second int) {
	for len(p.starting) > 0 && p.starting[0].second <= second {
		p.ready += p.starting[0].count
		p.starting = p.starting[1:]
	}
}

func (p *pods) want(wanted int32, second int) {
	if wanted > p.wanted {
		p.starting = append(p.starting, batch{second + p.startup, int(wanted - p.wanted)})
	} else if p.ready > int(wanted) {
		p.ready = int(wanted)
	}
	p.wanted = wanted
}

type nothing struct{}

func (nothing) Scrape(time.Duration) (metrics.Stat, error) { return metrics.Stat{}, nil }

func nothingToScrape(*autoscalingv1alpha1.Metric, *zap.SugaredLogger) (metrics.StatsScraper, error) {
	return nothing{}, nil
}
