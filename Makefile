# SPDX-License-Identifier: Apache-2.0

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Two compilers at once are what a small machine has memory for.
BUILD    = CGO_ENABLED=0 $(GO) build -p 2 -trimpath -buildvcs=false
LDFLAGS  = -X github.com/wazelet/wazelet/cmd/version.release=$(VERSION)
LAB      = ./integration/lab/cmd
# Where the parts are: Kubernetes, CNI plugins, the linter.
PARTS    = $(or $(WAZELET_LAB_CACHE),.cache/lab)/bin
FUZZTIME ?= 20s
BENCHTIME ?= 5x

SHELL       := /bin/bash
.SHELLFLAGS := -e -o pipefail -c
MAKEFLAGS   += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help build toolbox toolbox-image installer-image cross test test-unit test-vm test-e2e test-mixed lint lint-proof demo parts parts-containerd parts-mixed bench bench-pods bench-kubelet bench-kubelet-pods bench-compare bench-go bench-images bench-wasi bench-compute wasi-testsuite critest critest-mixed fuzz clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: toolbox ## Build bin/wazelet and its two workers
	$(BUILD) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/wazelet ./cmd/wazelet-worker ./cmd/wazelet-worker-http

# Embedded by the package toolbox; what a module's bytes are must not depend on who builds it.
toolbox: ## Build the toolbox, the Wasm program that bin/wazelet embeds
	@mkdir -p .cache
	GOOS=wasip1 GOARCH=wasm $(BUILD) -ldflags '-s -w' -o .cache/toolbox.wasm ./toolbox/cmd/toolbox
	@gzip -9nc .cache/toolbox.wasm >toolbox/module/toolbox.wasm.gz.new
	@mv toolbox/module/toolbox.wasm.gz.new toolbox/module/toolbox.wasm.gz

toolbox-image: toolbox ## Make an image of the toolbox: bin/toolbox-image.tar, or push it with REF=…
	@mkdir -p bin
	@$(GO) run ./integration/lab/cmd/ownimage $(if $(REF),-push $(REF) $(if $(INSECURE),-insecure),-o bin/toolbox-image.tar) toolbox

installer-image: build ## Make the image that the Helm chart installs with: bin/installer-image.tar, or push it with REF=…
	@$(GO) run ./integration/lab/cmd/ownimage $(if $(REF),-push $(REF) $(if $(INSECURE),-insecure),-o bin/installer-image.tar) installer

cross: toolbox ## Build and vet for arm64, into bin/linux-arm64
	GOARCH=arm64 $(BUILD) -ldflags '$(LDFLAGS)' -o bin/linux-arm64/ ./cmd/wazelet ./cmd/wazelet-worker ./cmd/wazelet-worker-http
	GOARCH=arm64 CGO_ENABLED=0 $(GO) vet -p 2 ./...

test: test-unit test-vm test-e2e test-mixed critest-mixed ## Run every test (as root)

# The end-to-end suites are the package integration and those below it that bring a
# node up, and the packages below integration/vm boot machines; all others are quick.
SUITES = -e '/integration$$' -e '/integration/imagegc$$' -e '/integration/install$$' -e '/integration/mixed$$' -e '/integration/routing$$' -e '/integration/mixedcritest$$' -e '/integration/vm/'

test-unit: export WAZELET_CNI_BIN = $(abspath $(PARTS))/cni
test-unit: build summary ## Run all quick tests, with the race detector (as root)
	@$(GO) run $(LAB)/parts cni/bridge cni/loopback cni/host-local cni/portmap
	$(GO) list ./... | grep -v $(SUITES) \
		| CGO_ENABLED=1 xargs $(GO) test -json -race -p 2 -timeout 10m | .cache/testsummary

test-vm: build summary ## Run the tests of cgroup v2, AppArmor and SELinux in virtual machines (x86-64)
	CGO_ENABLED=0 $(GO) test -json -count 1 -p 1 -timeout 30m $(VMFLAGS) ./integration/vm/... | .cache/testsummary

test-e2e: build parts summary ## Run the end-to-end suites on real control planes (as root)
	$(GO) run $(LAB)/parts containerd containerd-shim-runc-v2 ctr runc pause helm
	$(GO) test -json -count 1 -p 1 -timeout 25m $(E2EFLAGS) ./integration ./integration/imagegc ./integration/install | .cache/testsummary

test-mixed: build parts parts-mixed summary ## Run the suites on a node of both kinds, with containerd upstream (as root)
	$(GO) test -json -count 1 -p 1 -timeout 25m $(MIXEDFLAGS) ./integration/routing ./integration/mixed | .cache/testsummary

.PHONY: summary
summary:
	@$(GO) build -o .cache/testsummary $(LAB)/testsummary

wasi-testsuite: build ## Run the public WASI test suite, a checkout in WASI_TESTSUITE, through wazelet run
	@$(GO) build -o .cache/wasitest ./integration/wasitest
	@.cache/wasitest -wazelet bin/wazelet "$(WASI_TESTSUITE)"

critest: build parts ## Run the CRI validation suite with the handler wasm and print the counts (as root)
	$(GO) test -count 1 -timeout 25m -v -run '^TestCritest$$' ./integration

critest-mixed: build parts parts-containerd summary ## Hold a node of both kinds against the CRI validation suite (as root)
	$(GO) test -json -count 1 -timeout 25m ./integration/mixedcritest | .cache/testsummary

parts: ## Build what the laboratory runs: Kubernetes, etcd, registry, CNI, guests in C and Rust, a machine
	$(GO) run $(LAB)/parts

parts-mixed: parts-containerd ## Build kube-proxy and CoreDNS, which run as containers, and all of parts-containerd
	$(GO) run $(LAB)/parts kube-proxy coredns

parts-containerd: ## Build containerd, its shim, ctr, runc and a pause program as well
	$(GO) run $(LAB)/parts containerd containerd-shim-runc-v2 ctr runc pause

demo: ## Bring up a cluster on Wazelet and run examples/ (as root); CI=true: check and end
	@mkdir -p .cache && $(GO) build -o .cache/demo $(LAB)/demo
	@exec .cache/demo $(if $(filter true 1,$(CI)),-ci)

lint: ## Run golangci-lint with the rules of .golangci.yml
	@$(GO) run $(LAB)/parts -lint >/dev/null
	@$(PARTS)/golangci-lint run --allow-parallel-runners --output.text.print-issued-lines=false ./...

lint-proof: ## Prove that each lint rule fires on a seeded fault
	@$(GO) run $(LAB)/parts -lint >/dev/null
	@$(GO) run $(LAB)/lintproof

bench: bench-pods ## Measure pods beside containerd's and write docs/performance.md anew (as root)
	$(GO) run ./integration/podbench report -page docs/performance.md .cache/podbench.json
	cp .cache/podbench.json docs/performance/result.json

bench-pods: build ## Measure pods beside containerd's, into .cache/podbench.json; BENCH='-only start' for a part
	@$(GO) build -o .cache/podbench ./integration/podbench
	@.cache/podbench $(BENCH)

bench-kubelet: bench-kubelet-pods ## Measure pods through a real control plane and kubelet, 500 at once too, and write that part of docs/performance.md anew (as root)
	$(GO) run ./integration/podbench report -page docs/performance.md .cache/podbench-kubelet.json
	cp .cache/podbench-kubelet.json docs/performance/kubelet.json

bench-kubelet-pods: build ## The same, into .cache/podbench-kubelet.json; BENCH='-only kubelet/pod' for a part
	@$(GO) build -o .cache/podbench ./integration/podbench
	@.cache/podbench kubelet $(BENCH)

bench-compare: ## Show what changed between two files of bench-pods or bench-kubelet-pods: OLD=… NEW=…; fails on a regression
	@$(GO) run ./integration/podbench compare $(OLD) $(NEW)

bench-go: build ## Run the Go benchmarks
	$(GO) list ./... | grep -v '/integration' | xargs $(GO) test -p 1 -run '^$$' -bench . -benchmem

bench-images: build ## Time pulls and starts, and count compilers; fetches a module of 31 MB with npm
	$(GO) test -run '^$$' -bench '^Benchmark(Image|Crowd)$$' -benchtime $(BENCHTIME) ./runtime

bench-wasi: ## Compare the WASI host with wazero's own and wasmtime's (cgo; a Markdown table)
	@$(GO) build -C integration/bench -p 2 -o $(abspath .cache)/wasibench .
	@.cache/wasibench

bench-compute: build ## Compare computing with native programs, wazero and wasmtime, and write docs/performance.md anew (cgo); COMPUTE='-only c/ -merge' for a part
	@$(GO) build -C integration/bench -p 2 -o $(abspath .cache)/computebench ./compute
	@.cache/computebench $(COMPUTE)
	@.cache/computebench report -page docs/performance.md .cache/compute.json
	cp .cache/compute.json docs/performance/compute.json

fuzz: ## Fuzz each fuzz test for FUZZTIME (20s)
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -parallel 2 $$pkg; \
		done; \
	done

clean: ## Remove what was built; the laboratory's parts stay in .cache/lab
	rm -rf bin toolbox/module/toolbox.wasm.gz* .cache/toolbox.wasm .cache/testsummary .cache/demo .cache/lintproof .cache/wasitest .cache/wasibench .cache/computebench .cache/podbench
