# `make` alone prints this menu. Needs Go and nothing else.
SHELL := /usr/bin/env bash
TIME ?= 30s
SECONDS ?= 30
SEED ?= 1
LONG ?= 20m
OUT ?= testdata/faults
RUNS ?=
STORY ?=
BUG ?=
JSON ?= bench.json
STORE ?= embedded
ARGS ?=
HOLDFAST := bin/holdfast
# gin without MessagePack: half the binary.
export GOFLAGS := $(GOFLAGS) -tags=nomsgpack

.DEFAULT_GOAL := menu
.PHONY: menu build demo test check fmt vet tidy lint race bulk fuzz orders sim planted chaos long bench verify clean

menu:
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

build: ## the program, into bin/holdfast
	@go build -trimpath -o $(HOLDFAST) ./cmd/holdfast

demo: build ## a switch, a recorded day of payments, and a table of what happened (ARGS=--exit to end after it)
	@$(HOLDFAST) demo $(ARGS)

test: ## everything that must be green: check, build, race, short fuzz runs, demo
	@scripts/test.sh

check: fmt vet tidy lint ## how the code looks: format, vet, house rules, staticcheck

fmt: ## fail on a file that gofmt would change
	@files=$$("$$(go env GOROOT)/bin/gofmt" -l .) && \
	if [[ -n $$files ]]; then printf 'run gofmt -w on:\n%s\n' "$$files"; exit 1; fi

vet: ## go vet
	@go vet ./...

tidy: ## the house rules: imports, names, sizes, secrets
	@go test -count=1 ./scripts/tidy

lint: ## staticcheck, from its own module
	@go tool -modfile=scripts/tools/go.mod staticcheck ./...

race: ## all tests, with the race detector where there is a C compiler
	@scripts/race.sh

bulk: ## what is too much for the race detector: 10,000 bad messages a dialect, damaged vectors, a life in 1,000 orders, the search for secrets
	@go test -count=1 -timeout=20m -run='^(TestBadMessagesAreNeverApproved|TestNoSecretIsLeftInAnyPlace.*)$$' ./cmd/holdfast
	@go test -count=1 -timeout=20m -run='^TestAcceptance$$/^(09|20)$$' ./cmd/holdfast

fuzz: ## every fuzz target in turn (TIME=30s each, or 20000x)
	@scripts/fuzz.sh $(TIME)

orders: ## the messages of a life in every order and repetition, against a model (SETS=all: minutes, all of six messages)
	@set -e; for store in lifetest litestore pgstore; do \
	  HOLDFAST_TEST_ORDERS=$(or $(SETS),some) GOGC=400 \
	    go test -count=1 -parallel=8 -timeout=120m $(if $(SETS),-v) -run='TestOrders$$' ./store/$$store; \
	done

sim: ## seeds of trouble in virtual time against a second bookkeeper (SEED=1 RUNS=2000 STORY=1)
	@HOLDFAST_SIM_SEED=$(SEED) HOLDFAST_SIM_RUNS=$(or $(RUNS),2000) HOLDFAST_SIM_STORY=$(STORY) \
	  go test -count=1 -timeout=60m $(if $(STORY),-v) ./authz/sim

planted: ## plant bugs, one at a time, and see each caught by its check (BUG=a part of its name)
	@HOLDFAST_PLANTED="$(BUG)" go test -count=1 -v -timeout=30m -tags=planted -run=Caught ./scripts/planted

chaos: ## real processes killed at every place of the crash story, and pairs of faults (SEED=1 RUNS=10; HEAVY=1: what takes longer)
	@HOLDFAST_CHAOS_HEAVY=$(HEAVY) HOLDFAST_CHAOS_SEED=$(SEED) HOLDFAST_CHAOS_RUNS=$(or $(RUNS),10) scripts/chaos.sh

long: ## half load on two nodes with a fault every 30 s; writes OUT/long.md and long.svg (LONG=20m SEED=1 OUT=testdata/faults)
	@HOLDFAST_LONG=$(LONG) HOLDFAST_LONG_OUT=$(abspath $(OUT)) HOLDFAST_CHAOS_SEED=$(SEED) scripts/chaos.sh long

bench: build ## measure (STORE=embedded or full, which starts and stops its servers; SECONDS=30 JSON=bench.json)
	@$(if $(filter full,$(STORE)),scripts/bench.sh,$(HOLDFAST) bench --store $(STORE)) --seconds $(SECONDS) --json $(JSON) $(ARGS)

verify: build ## check the invariants of a data folder (ARGS="..." as holdfast verify --help says)
	@$(HOLDFAST) verify $(ARGS)

clean: ## remove what was built and measured
	@rm -rf bin bench.json
