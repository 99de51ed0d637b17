// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Buckets in seconds: what is done with files and processes takes milliseconds,
// what is compiled or fetched seconds to minutes.
var (
	quick = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	slow  = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
)

var (
	rpcDuration = histogram("wazelet_rpc_duration_seconds",
		"Time a CRI call took, by method and gRPC code; a stream takes as long as it lasts.", quick, "method", "code")
	rpcInFlight = gauges("wazelet_rpc_in_flight",
		"CRI calls under way.", "method")
	stepDuration = histogram("wazelet_step_duration_seconds",
		"Time a step of bringing up or ending a pod, or of an image, took, by step and whether it succeeded.", quick, "step", "result")
	compileDuration = histogram("wazelet_compile_duration_seconds",
		"Time the compiler took for a module: compiled, refused (it cannot run) or failed.", slow, "result")
	moduleCache = counters("wazelet_module_cache_requests_total",
		"Requests for a compiled module: hit, miss, or refused from memory of an earlier refusal.", "result")
	workers = gauge("wazelet_workers",
		"Worker processes that are watched: one per created or running container.")
	exits = counters("wazelet_container_exits_total",
		"Containers that ended, by reason as in their status; OOMKilled is for memory.", "reason")
	traps = counters("wazelet_guest_traps_total",
		"Guests that ended by a fault of their own, by kind.", "kind")
	pullDuration = histogram("wazelet_image_pull_duration_seconds",
		"Time an image pull took, compiling included, by whether it succeeded.", slow, "result")
	pullBytes = counter("wazelet_image_pull_bytes_total",
		"Bytes received from registries, counted as they arrive.")
	pulls = gauge("wazelet_image_pulls_in_progress",
		"Image pulls under way; callers that share one count as one.")
	eventReaders = gauge("wazelet_event_readers",
		"Clients that read container events.")
	eventReadersCut = counter("wazelet_event_readers_cut_off_total",
		"Readers of container events that could not follow and were cut off.")
	wasiCalls = &callCollector{desc: prometheus.NewDesc("wazelet_wasi_calls_total",
		"Host functions that guests called, by function; commands run by exec are not counted.", []string{"function"}, nil)}
	buildInfo = gauges("wazelet_build_info",
		"1, with the release in its labels.", "version", "revision")
)

// own are the instruments above.
var own = []prometheus.Collector{
	rpcDuration, rpcInFlight, stepDuration, compileDuration, moduleCache, workers, exits, traps,
	pullDuration, pullBytes, pulls, eventReaders, eventReadersCut, wasiCalls, buildInfo,
}

// registry holds them and those of the Go runtime and the process.
var registry = prometheus.NewPedanticRegistry()

func init() {
	registry.MustRegister(own...)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// Handler serves the metrics to Prometheus.
func Handler() http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Build says which release runs.
func Build(version, revision string) { buildInfo.WithLabelValues(version, revision).Set(1) }

// RPC counts a call as being under way; the function it returns says with which
// gRPC code it ended.
func RPC(method string) func(code string) {
	started, inFlight := time.Now(), rpcInFlight.WithLabelValues(method)
	inFlight.Inc()
	return func(code string) {
		inFlight.Dec()
		rpcDuration.WithLabelValues(method, code).Observe(time.Since(started).Seconds())
	}
}

// CompileResult is how a compile ended.
type CompileResult string

// The ends of a compile.
const (
	Compiled       CompileResult = "compiled"
	CompileRefused CompileResult = "refused"
	CompileFailed  CompileResult = "failed"
)

// Compile tells of a compile that took so long.
func Compile(took time.Duration, result CompileResult) {
	compileDuration.WithLabelValues(string(result)).Observe(took.Seconds())
}

// CacheResult is what was found in the module cache.
type CacheResult string

// What can be found.
const (
	CacheHit     CacheResult = "hit"
	CacheMiss    CacheResult = "miss"
	CacheRefused CacheResult = "refused"
)

// ModuleCache tells of a request for a compiled module.
func ModuleCache(result CacheResult) { moduleCache.WithLabelValues(string(result)).Inc() }

// Worker counts a worker as watched until the returned function is called.
func Worker() (gone func()) {
	workers.Inc()
	return workers.Dec
}

// Exit tells of a container's end. trap is the kind of a guest's fault, "" when
// there was none; both must be of a few kinds.
func Exit(reason, trap string) {
	exits.WithLabelValues(reason).Inc()
	if trap != "" {
		traps.WithLabelValues(trap).Inc()
	}
}

// Pull counts a pull as being under way; the function it returns says how it
// ended.
func Pull() (ended func(err error)) {
	began := time.Now()
	pulls.Inc()
	return func(err error) {
		pulls.Dec()
		pullDuration.WithLabelValues(result(err)).Observe(time.Since(began).Seconds())
	}
}

// Received tells of bytes that a registry has sent.
func Received(bytes int) { pullBytes.Add(float64(max(bytes, 0))) }

// EventReader counts a reader of events until the returned function is called.
func EventReader() (gone func()) {
	eventReaders.Inc()
	return eventReaders.Dec
}

// EventReaderCutOff tells of a reader that could not follow.
func EventReaderCutOff() { eventReadersCut.Inc() }

func result(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}
