# Try: make demo. All targets: make help.
GO            ?= go
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
IMAGE         ?= airflow_exporter
FUZZ          ?= 1

# Tools of Prometheus that the rules are tested with, without its service discovery, which takes long to build.
TOOLS        := $(CURDIR)/.tools
PROMTOOL     := $(TOOLS)/promtool
AMTOOL       := $(TOOLS)/amtool
PROMETHEUS   := github.com/prometheus/prometheus/cmd/promtool@v0.316.0
ALERTMANAGER := github.com/prometheus/alertmanager/cmd/amtool@v0.28.1

VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION   ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BRANCH     ?= $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
BUILD_USER ?= $(shell whoami)@$(shell uname -n)
BUILD_DATE ?= $(shell date -u +%Y%m%d-%H:%M:%S)
INFO       := github.com/prometheus/common/version
LDFLAGS     = -s -w -X $(INFO).Version=$(VERSION) -X $(INFO).Revision=$(REVISION) -X $(INFO).Branch=$(BRANCH) \
              -X $(INFO).BuildUser=$(BUILD_USER) -X $(INFO).BuildDate=$(BUILD_DATE)

.DEFAULT_GOAL := build
.PHONY: build test rules dashboards pictures figures guards fuzz mutation prometheusrule e2e lint bench benchstat demo docker help

build: ## the binary, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o airflow_exporter .

test: rules dashboards ## all that needs Go alone
	@unformatted=$$(gofmt -l $$(find . -name '*.go' -not -path './.*' -not -path '*/node_modules/*')); \
		test -z "$$unformatted" || { echo "not formatted by gofmt:" $$unformatted; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags e2e,bench ./test/...
	@said=$$(mktemp); $(GO) test -race -timeout 25m ./... >$$said 2>&1 & racing=$$!; \
		$(MAKE) figures; figures=$$?; \
		wait $$racing; race=$$?; cat $$said; rm -f $$said; \
		exit $$((race + figures)) # beside each other: most tests take one core. Figures are without the race detector, under which some take too long

rules: $(PROMTOOL) $(AMTOOL) ## the alerting rules: syntax, unit tests, lint, routing
	$(PROMTOOL) check rules --lint=all --lint-fatal alerts/airflow.rules.yml
	$(PROMTOOL) test rules alerts/tests/*.yml
	cd alerts && $(GO) vet ./... && $(GO) test ./...
	alerts/tests/routes.sh $(AMTOOL)

dashboards: $(PROMTOOL) ## the dashboards, from their generator: fails if one was stale; schema, conventions
	cd dashboards && $(GO) run ./generate
	cd dashboards && $(GO) vet ./... && $(GO) test ./...

pictures: ## pictures of the dashboards, with made-up data (needs Node.js 20 and Chromium)
	dashboards/preview/pictures.sh

mutation: $(PROMTOOL) ## whether the tests of the rules notice each change of a rule
	cd alerts && $(GO) run ./mutation -promtool=$(PROMTOOL)

prometheusrule: ## alerts/prometheusrule.yaml for the Prometheus operator, from the rules
	cd alerts && $(GO) run ./operator

$(PROMTOOL): Makefile
	GOBIN=$(TOOLS) $(GO) install -tags remove_all_sd $(PROMETHEUS)
	@touch $@

$(AMTOOL): Makefile
	GOBIN=$(TOOLS) $(GO) install $(ALERTMANAGER)
	@touch $@

figures: ## what is promised of faults, budgets, secrets and time, as figures that are compared with their thresholds
	@soak=$$(mktemp); $(GO) test -v -timeout 25m -run '^TestSoak$$' ./collector >$$soak 2>&1 & soaking=$$!; \
		{ $(GO) test -v -timeout 25m -skip '^TestSoak$$' . ./airflow ./collector; wait $$soaking; cat $$soak; } 2>&1 | $(GO) run ./test/figures; \
		status=$$?; rm -f $$soak; exit $$status # beside the others, but in a process of its own, whose memory it measures

guards: ## whether the figures notice when a guard of the exporter is missing
	$(GO) run ./test/figures -guards .

fuzz: ## a million made-up answers, rows and names
	test/fuzz.sh $(FUZZ)

e2e: ## the tests on real servers of Airflow 2 and 3 (needs Python 3.11 and PostgreSQL)
	$(GO) test -tags e2e -count=1 -timeout 25m -v ./test/e2e/...

lint: ## static checks
	$(GO) run $(GOLANGCI_LINT) run ./...
	cd alerts && $(GO) run $(GOLANGCI_LINT) run ./...
	cd dashboards && $(GO) run $(GOLANGCI_LINT) run ./...

bench: ## benchmarks, and what a scrape costs side by side with others: writes docs/performance.md (45 min)
	$(GO) test -run '^$$' -bench . -benchmem ./...
	$(GO) test -tags e2e,bench -count=1 -timeout 90m -v -run '^TestSideBySide$$' ./test/e2e -args -table=$(CURDIR)/docs/performance.md

benchstat: ## the Go benchmarks, compared with those of the last tag, or of BASE
	test/benchstat.sh $(BASE)

demo: build ## a real Airflow 3 with example DAGs and the exporter on it (needs Python 3.11)
	test/demo/run.sh

docker: ## the image
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg BRANCH=$(BRANCH) \
		--build-arg BUILD_DATE=$(BUILD_DATE) -t $(IMAGE):$(VERSION) .

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10
