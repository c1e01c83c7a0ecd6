# Everything a developer types. `make help` lists the targets; each one installs
# what it lacks when it runs as root on Debian, and says what to install otherwise.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-builtin-rules

GO    ?= go
# The committed BPF objects are compared byte by byte: one compiler makes them.
CLANG ?= clang-14
STRIP ?= llvm-strip-14
CLANG_FORMAT ?= clang-format-14

GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(CURDIR)/.cache/golangci-lint-$(GOLANGCI_VERSION)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)

# The race detector costs a few times the run time: a hung test ends the run, not the patience.
# Without the profile that the agent is built with: it would have everything compiled again.
# Nothing from the cache: it does not know that whole-binary tests depend on the agent.
TEST_FLAGS ?= -race -count=1 -timeout 9m -pgo=off
BENCH_TIME ?= 1s

C_FILES := $(wildcard bpf/*.c bpf/include/*.h)

# A toolchain that is older than go.mod asks for is an error, not a download.
export GOTOOLCHAIN ?= local

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build .cache/deps/test ## show the agent at work, about 15 seconds, nothing stays behind (root)
	bin/agent demo

.PHONY: build
build: .cache/deps/go .cache/deps/build ## make bin/agent
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/agent ./cmd/agent

# The compiler takes cmd/agent/default.pgo by itself. After larger changes to parsers or books.
.PHONY: profile
profile: .cache/deps/go ## measure anew where the agent spends its time, for the compiler (root)
	d=$$(mktemp -d) && trap "rm -r $$d" EXIT && \
	$(GO) test -run '^$$' -bench 'Shard$$' -benchtime 5s -cpuprofile $$d/shard -o $$d/test ./internal/capture && \
	$(GO) test -run '^$$' -bench 'Crowd$$' -benchtime 3s -cpuprofile $$d/crowd -o $$d/test ./internal/pipeline && \
	$(GO) tool pprof -proto -output cmd/agent/default.pgo $$d/shard $$d/crowd

.PHONY: generate
generate: .cache/deps/go .cache/deps/generate ## compile bpf/ into the committed objects
	BPF2GO_CC=$(CLANG) BPF2GO_STRIP=$(STRIP) $(GO) generate ./...

.PHONY: test
test: .cache/deps/go .cache/deps/build .cache/deps/test .cache/goreplay ## run all tests with the race detector; those that need root skip without it
	$(GO) test $(TEST_FLAGS) ./test/e2e/... ./...

.PHONY: test-root
test-root: ## like test, but a test that would skip fails (root)
	@[[ $$EUID == 0 ]] || { echo 'test-root: needs root [run: sudo -E env "PATH=$$PATH" make test-root]' >&2; exit 1; }
	GORTAP_TEST_NOSKIP=1 $(MAKE) --no-print-directory test

.PHONY: lint
lint: .cache/deps/go .cache/deps/build .cache/deps/fmt $(GOLANGCI) ## check style and import rules, change nothing
	$(GOLANGCI) run
	@[[ -z "$(C_FILES)" ]] || $(CLANG_FORMAT) --dry-run --Werror $(C_FILES)

.PHONY: fmt
fmt: .cache/deps/go .cache/deps/fmt $(GOLANGCI) ## format Go and C
	$(GOLANGCI) fmt
	@[[ -z "$(C_FILES)" ]] || $(CLANG_FORMAT) -i $(C_FILES)

.PHONY: bench
bench: build .cache/deps/test ## run the Go benchmarks, capture files beside tshark, and as root a saturated server beside each observer and replays
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCH_TIME) ./...
	@$(MAKE) --no-print-directory bench-offline
	@if [[ $$EUID == 0 ]]; then $(MAKE) --no-print-directory bench-server bench-replay bench-sessions; fi

# Generates 2.5 GB below .cache/bench once; OFFLINE_FLAGS='-mb 20' is quick.
.PHONY: bench-offline
bench-offline: build ## how fast generated capture files of up to 500 MB are read on one core, beside tshark
	$(GO) run ./test/bench/offline $(OFFLINE_FLAGS)

# About 23 minutes; BENCH_FLAGS=-quick takes two and tells whether it works.
.PHONY: bench-server
bench-server: build .cache/deps/test .cache/goreplay ## a saturated nginx beside no observer, the agent, its floor, GoReplay and tcpdump (root)
	$(GO) build -o bin/bench-server ./test/bench
	bin/bench-server $$([[ ! -x .cache/goreplay ]] || echo -goreplay .cache/goreplay) $(BENCH_FLAGS)

# About 8 minutes; REPLAY_FLAGS=-quick takes one.
.PHONY: bench-replay
bench-replay: build .cache/deps/test .cache/goreplay ## how fast and how exactly in time recordings are replayed, beside GoReplay and wrk; a live copy to a target that hangs (root)
	$(GO) build -o bin/bench-replay ./test/bench/replay
	bin/bench-replay $$([[ ! -x .cache/goreplay ]] || echo -goreplay .cache/goreplay) $(REPLAY_FLAGS)

# About 2 minutes; SESSIONS_FLAGS=-quick takes half a minute.
.PHONY: bench-sessions
bench-sessions: build .cache/deps/test ## how fast TCP sessions are replayed from files and live, and what idle ones take (root)
	$(GO) build -o bin/bench-sessions ./test/bench/sessions
	bin/bench-sessions $(SESSIONS_FLAGS)

# A rival to measure and to exchange files with, not a dependency: without it tables
# lack rows, and tests are skipped. The second file tells them that it was tried.
.cache/goreplay: | .cache/deps/go .cache/deps/build
	@echo 'building GoReplay v1.3.2 (once)'
	@rm -f $@.unavailable
	@GOBIN=$(CURDIR)/.cache $(GO) install github.com/buger/goreplay@v1.3.2 || \
	  { touch $@.unavailable; echo 'GoReplay cannot be had, left out' >&2; }

.PHONY: e2e
e2e: build .cache/deps/test .cache/goreplay ## run the whole-binary tests, uncached (root)
	GORTAP_TEST_NOSKIP=1 $(GO) test -count=1 -timeout 9m -pgo=off ./test/e2e/...

# Two minutes: the traffic needs a past.
.PHONY: screenshots
screenshots: build .cache/deps/test ## make the pictures in docs/screenshots from real traffic in a private network (root)
	mkdir -p docs/screenshots
	GORTAP_TEST_NOSKIP=1 GORTAP_SCREENSHOTS=$(CURDIR)/docs/screenshots $(GO) test -count=1 -timeout 9m -run TestScreenshots ./test/e2e/web

.PHONY: clean
clean: ## remove what make made
	rm -rf bin .cache

# Stamps: a machine is looked at once a checkout, and again when the list changes.
.cache/deps/%: .ci/deps go.mod
	@.ci/deps $*
	@mkdir -p $(@D) && touch $@

# Built from source through the module proxy: about 3 minutes once on 2 cores.
$(GOLANGCI): | .cache/deps/go
	@echo "building golangci-lint $(GOLANGCI_VERSION) (once)"
	@GOBIN=$(CURDIR)/.cache/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv .cache/bin/golangci-lint $@
