# Each public target sets up what it needs by itself. CI calls only these.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
# One version number, in pyproject.toml; a release may add to it: VERSION=0.1.0-rc.1.
VERSION := $(shell sed -nE 's/^version = "(.*)"$$/\1/p' pyproject.toml)
SAMPLE := data/flights
ENV ?= dev
SIZE ?= quick
IMAGES ?= control trainer-sklearn trainer-spark mlflow minio versitygw

# uv: the one on the PATH, else the pinned one from PyPI in .tools/.
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
RUN := .venv/bin
# A slow test shows itself; docs/tests.md says where the time goes.
PYTEST := $(RUN)/pytest --durations 10 --durations-min 5

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: run
run: setup data/flights.written ## Run one whole cycle on the sample: train both engines, decide, register
	$(RUN)/ratchet retrain --env $(ENV)

.PHONY: test
test: setup ## Check and test everything that needs no cluster
	@$(if $(CHECKED),,$(MAKE) check)
	$(PYTEST) tests --ignore tests/e2e --ignore tests/images --ignore tests/dashboards -n 3 --dist loadfile --no-loadscope-reorder

# What hypothesis tries, by hundreds of examples that are new each time.
.PHONY: test-deep
test-deep: setup
	$(PYTEST) tests/unit tests/integration/test_interleavings.py tests/integration/test_serve.py -n 2 --hypothesis-profile deep

.PHONY: check
check: setup ## Lint, types, layers
	$(RUN)/ruff format --check
	$(RUN)/ruff check
	$(RUN)/mypy
	$(RUN)/lint-imports --no-cache
	$(RUN)/hadolint --config images/hadolint.yaml images/*/Dockerfile

.PHONY: ui
ui: $(if $(filter kind-ratchet,$(shell kubectl config current-context 2> /dev/null)),ui-cluster,ui-here) ## Open MLflow on http://127.0.0.1:5000: this machine's, or the kind cluster's with console and Prometheus, where that is the current context

.PHONY: ui-here
ui-here: setup
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(RUN)/mlflow ui --host 127.0.0.1 --port 5000 --workers 1 \
		--backend-store-uri sqlite:///.ratchet/mlflow.db --default-artifact-root .ratchet/artifacts

.PHONY: ui-cluster
ui-cluster:
	@k8s/kind/ui

# --- Images ---------------------------------------------------------------------------------------------------------
.PHONY: images
images: ## Build the images, and print what each adds to its base
	@docker version > /dev/null 2>&1 || { echo "images: Docker, which builds them, does not answer" >&2; exit 1; }
	for name in $(IMAGES); do \
		DOCKER_BUILDKIT=1 docker build --tag ratchet/$$name:$(VERSION) \
			--label org.opencontainers.image.version=$(VERSION) $$(images/dockerfile $$name) .; \
	done
	images/sizes $(VERSION) $(IMAGES)

# What each image contains, as dist/sbom/NAME.cdx.json. Needs what `make images` made.
.PHONY: sbom
sbom: setup .tools/syft
	@images/sbom $(VERSION) dist/sbom $(IMAGES)

# What the images start from, by digest instead of by tag; MIRROR=registry.example.com/hub instead of docker.io/library.
.PHONY: pin-bases
pin-bases: .tools/oras
	@images/pin-bases $(MIRROR)

# Needs what `make images` made.
.PHONY: test-images
test-images: setup
	$(PYTEST) tests/images

# `make test` has no network and may have neither kubectl nor those of Prometheus; here all must be there.
.PHONY: test-manifests
test-manifests: setup .tools/promtool .tools/alertmanager .tools/helm
	RATCHET_KUBECTL_REQUIRED=1 $(PYTEST) tests/manifests

# Draws the Grafana dashboards in a Chromium; the one target that needs Node.js. PICTURES=docs saves what was drawn.
.PHONY: dashboards
dashboards: setup .tools/promtool .tools/prometheus tests/dashboards/built/page.js
	$(PYTEST) tests/dashboards

tests/dashboards/built/page.js: $(wildcard tests/dashboards/*.json tests/dashboards/build.mjs tests/dashboards/page/*)
	@command -v npm > /dev/null || { echo "npm is needed to draw the dashboards; install Node.js 20 or newer" >&2; exit 1; }
	npm ci --prefix tests/dashboards
	cd tests/dashboards && node build.mjs

# --- A release ------------------------------------------------------------------------------------------------------
export REGISTRY VERSION

.PHONY: release
release: setup ## Make dist/: one YAML, a chart and an artifact; with REGISTRY, push them and the images, by digest
	@k8s/release/check
	@rm -rf dist
	@$(if $(REGISTRY),$(MAKE) .tools/oras images sbom)
	@$(if $(REGISTRY),k8s/release/push)
	@k8s/release/pin
	@k8s/release/render
	@$(if $(REGISTRY),k8s/release/publish)

# The overlay prod with digests instead of tags, as dist/prod, from the images that are in REGISTRY.
.PHONY: pin
pin: .tools/oras
	@k8s/release/check registry
	@k8s/release/pin

# --- In a kind cluster ----------------------------------------------------------------------------------------------
# A label of its own for each run would replace every pod at each repetition: the id is always the same.
SKAFFOLD_RUN := skaffold run --profile local --label skaffold.dev/run-id=local --status-check=false

.PHONY: deploy-local
deploy-local: ## From nothing, or from what is there, to Ratchet in a kind cluster; may be repeated
	@k8s/kind/prerequisites
	@k8s/kind/cluster
	@k8s/kind/operator
	@$(MAKE) secrets
	@$(SKAFFOLD_RUN) || { echo "deploy: skaffold could not build, load or apply; its last lines say which" >&2; exit 1; }
	@k8s/kind/ready

IN_CLUSTER := $(RUN)/ratchet in-cluster --context kind-ratchet

.PHONY: retrain
retrain: setup ## Run one cycle in the kind cluster, follow it, and end as it ends
	@$(IN_CLUSTER) retrain

# FROM, TO and MODEL_VERSION go over what stands in the overlay's settings.
.PHONY: score
score: setup
	@$(IN_CLUSTER) score $(ENGINE) $(FROM) $(TO) $(if $(MODEL_VERSION),--version $(MODEL_VERSION))

.PHONY: delete-local
delete-local: ## Remove the kind cluster and everything in it
	@k8s/kind/delete

.PHONY: e2e
e2e: setup ## Break things in the kind cluster and see them survived; TESTS="-m smoke" is the half that CI runs
	$(PYTEST) tests/e2e $(TESTS)

# The random secrets of the overlay local, once; the others' are made in the cluster.
.PHONY: secrets
secrets:
	@k8s/write-secrets local

.PHONY: bench
bench: setup data/flights.written ## Measure against bare scripts, in one run
	$(RUN)/python bench/run.py $(SIZE)

# What is generated from the settings, the rules and a cycle on the sample; a test says when it is out of date.
.PHONY: docs
docs: setup data/flights.written
	$(RUN)/python docs/generate.py
	$(RUN)/python docs/example.py
	$(RUN)/ratchet schema --out configs/schema.json
	k8s/components/monitoring-operator/render
	k8s/components/release/render

.PHONY: rule
rule: setup data/flights.written ## Play rules of promotion on histories, real and generated; writes docs/rule.md
	$(RUN)/python -m bench.rule

# How often the watch calls a champion low, and how often a cycle then helps; writes docs/alarms.md.
.PHONY: alarms
alarms: setup data/flights.written
	$(RUN)/python bench/alarms.py

.PHONY: setup
setup: .venv/.synced ## Install everything that the other targets need

.venv/.synced: pyproject.toml uv.lock .python-version | $(UV)
	$(UV) sync --locked --quiet --compile-bytecode
	@touch $@

.tools/promtool .tools/prometheus .tools/alertmanager:
	k8s/prometheus-tool $@

.tools/oras .tools/helm .tools/syft:
	k8s/release/tool $@

.tools/bin/uv:
	@command -v python3 > /dev/null || { echo "python3 is needed to install uv; install Python 3.12 first" >&2; exit 1; }
	python3 -m venv .tools 2> /dev/null || python3 -m pip install --quiet --target .tools uv==$(UV_VERSION)
	test -x $@ || .tools/bin/python -m pip install --quiet uv==$(UV_VERSION)

data/flights.written: | setup
	$(RUN)/ratchet data flights $(SAMPLE)
	@touch $@

.PHONY: clean
clean: ## Remove what was installed and made, but not MLflow's data
	rm -rf .venv .tools dist data .mypy_cache .ruff_cache .hypothesis
