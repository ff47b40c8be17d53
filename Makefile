# `make` alone prints this help. Each target is one command of `mlops`, pytest or a linter.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MINOR := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
export PYTHONDONTWRITEBYTECODE ?=

.PHONY: help
help: ## print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- environments: one folder, two sizes; a stamp says which lock is in it --------------------------------------
# ENV_READY=1 says that $(VENV) is complete and must not be touched (a rehearsal runs make in a copy of this folder).
ifdef ENV_READY
$(VENV)/.runtime $(VENV)/.azure $(VENV)/.dev: ;
else
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python $(MINOR) is not supported: use 3.10 to 3.13, for example 'make demo PYTHON=python3.11'" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/locks/runtime-$(MINOR).txt pyproject.toml | $(BIN)/python
	@test -e $(VENV)/.dev || { echo "installing the runtime set (Python $(MINOR))" >&2; \
	  $(PIP) install --require-hashes -r requirements/locks/runtime-$(MINOR).txt; }
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.azure: requirements/locks/azure-$(MINOR).txt pyproject.toml | $(BIN)/python
	@test -e $(VENV)/.dev || { echo "installing the Azure set (Python $(MINOR))" >&2; \
	  $(PIP) install --require-hashes -r requirements/locks/azure-$(MINOR).txt; }
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime

$(VENV)/.dev: requirements/locks/dev-$(MINOR).txt pyproject.toml | $(BIN)/python
	@echo "installing the development set (Python $(MINOR))" >&2
	@$(PIP) install --require-hashes -r requirements/locks/dev-$(MINOR).txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime
endif

.PHONY: install
install: $(VENV)/.runtime ## make the environment that `make demo` uses

.PHONY: azure
azure: $(VENV)/.azure ## add what the Azure backend needs (azureml-core)

.PHONY: dev
dev: $(VENV)/.dev ## make the environment that the tests use

.PHONY: lock
lock: ## compile the locked requirements again (needs uv and a package index)
	requirements/compile.sh

# ---- the main job ---------------------------------------------------------------------------------------------
.PHONY: demo
demo: $(VENV)/.runtime ## the whole flow on this machine: check, train, evaluate, register, package, QA, production
	@$(BIN)/mlops run

.PHONY: down
down: $(VENV)/.runtime ## stop the local services (addresses, keys and models are kept)
	@$(BIN)/mlops services stop --all

.PHONY: clean
clean: ## remove caches and build output (never the registry)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .tox build dist .coverage reports
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -exec rm -rf {} +

# ---- checks ----------------------------------------------------------------------------------------------------
PYTEST := $(BIN)/python -m pytest

.PHONY: test
# Half of their time the Azure tests wait for the SDK, which looks every few seconds: more processes than cores pay.
TEST_PROCESSES ?= 4
test: $(VENV)/.dev ## the offline tests, the Azure SDK against the fake included
	$(PYTEST) tests -m "not docker and not live" -n $(TEST_PROCESSES) --dist worksteal --durations 15

.PHONY: test-fast
test-fast: $(VENV)/.dev ## the tests that need no SDK
	$(PYTEST) tests -m "not docker and not live and not azure and not slow" -n 2

# uv finds the versions, as in requirements/compile.sh: pip's way of searching ends in releases that cannot be built.
NEWEST := .bench/newest
UV_NEWEST = $(NEWEST)/bin/uv pip
.PHONY: test-newest
test-newest: ## the Azure tests with the newest SDK that requirements/azure.in allows (needs a package index)
	$(PYTHON) -m venv --clear $(NEWEST)
	$(NEWEST)/bin/python -m pip --disable-pip-version-check --quiet install uv
	$(UV_NEWEST) install --quiet --python $(NEWEST)/bin/python -r requirements/dev.in
	$(UV_NEWEST) install --quiet --python $(NEWEST)/bin/python --no-deps --no-build-isolation -e .
	@$(UV_NEWEST) freeze --python $(NEWEST)/bin/python | grep '^azureml'
	$(NEWEST)/bin/python -m pytest tests -m "azure and not docker and not live" -n 2 --dist worksteal --durations 15

.PHONY: integration
integration: $(VENV)/.dev ## the tests that need Docker
	$(PYTEST) $(wildcard integration) tests -m docker

.PHONY: lint
lint: $(VENV)/.dev ## ruff, mypy, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

SHELL_FILES := $(shell git ls-files '*.sh' .ci 2>/dev/null)
DOCKERFILES := $(shell git ls-files '*Dockerfile*' 2>/dev/null)

.PHONY: lint-delivery
lint-delivery: $(VENV)/.dev ## pipelines, workflows, Dockerfile, shell, secrets
	$(BIN)/python -m rehearse check
	$(BIN)/actionlint -shellcheck $(BIN)/shellcheck .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --config .github/zizmor.yml .github
	$(if $(DOCKERFILES),$(BIN)/hadolint $(DOCKERFILES))
	$(BIN)/shellcheck --severity=warning $(SHELL_FILES)
	git ls-files -z ':!requirements/locks' | xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline

.PHONY: secrets-baseline
secrets-baseline: $(VENV)/.dev ## accept what the secret scan finds now (review the difference before committing it)
	$(BIN)/detect-secrets scan --exclude-files 'requirements/locks/.*' > .secrets.baseline

# OSV and --strict: the other service, PyPI's own, lets a package pass that it cannot find, as behind a mirror of the index.
OSV ?= https://api.osv.dev/v1/query
.PHONY: audit
audit: $(VENV)/.dev ## known vulnerabilities of the locked requirements (needs a network)
	$(BIN)/pip-audit --strict --vulnerability-service osv --osv-url $(OSV) --progress-spinner off \
	  --require-hashes --disable-pip -r requirements/locks/azure-$(MINOR).txt

.PHONY: sbom
sbom: $(VENV)/.dev ## the bill of materials of the scoring image and of the kit, as CycloneDX
	mkdir -p reports/sbom
	$(BIN)/cyclonedx-py requirements --no-validate requirements/locks/score-$(MINOR).txt -o reports/sbom/score.cdx.json
	$(BIN)/cyclonedx-py requirements --no-validate requirements/locks/azure-$(MINOR).txt -o reports/sbom/azure.cdx.json

# A scanner in common use, by the digest of its image: tags can be moved, and another scanner's were in March 2026.
GRYPE := ghcr.io/anchore/grype:v0.120.1@sha256:e4a44ef45d285b829ce6efe2642980329661bd2d18eab5fc539138d4adaebbbe
SCAN := reports/image-scan
.PHONY: image-scan
image-scan: export MLOPS_BACKEND := local
image-scan: export MLOPS_STATE := $(SCAN)/state
image-scan: export MLOPS_SERVICES_TARGET := docker
image-scan: $(VENV)/.dev ## known vulnerabilities of a scoring image, system packages included (needs Docker and a network)
	rm -rf $(SCAN) && mkdir -p $(SCAN) reports/sbom
	$(BIN)/mlops train && $(BIN)/mlops evaluate && $(BIN)/mlops register
	$(BIN)/mlops package -o json > $(SCAN)/package.json
	docker save --output $(SCAN)/image.tar \
	  "$$($(BIN)/python -c 'import json, sys; print(json.load(sys.stdin)["image"]["reference"])' < $(SCAN)/package.json)"
	docker run --rm --volume "$(abspath reports):/reports" $(GRYPE) docker-archive:/reports/image-scan/image.tar \
	  --only-fixed --fail-on high --output table --output cyclonedx-json=/reports/sbom/image.cdx.json

.PHONY: infra-plan
infra-plan: ## show what infra/ would change in Azure (needs az, signed in, and LOCATION)
	@test -n "$(LOCATION)" || { echo "set LOCATION to a region, such as: make infra-plan LOCATION=westeurope" >&2; exit 2; }
	az deployment sub what-if --name mlops --location $(LOCATION) --parameters infra/main.bicepparam

.PHONY: infra-apply
infra-apply: ## make or change the Azure resources of infra/ (needs az, signed in, and LOCATION)
	@test -n "$(LOCATION)" || { echo "set LOCATION to a region, such as: make infra-apply LOCATION=westeurope" >&2; exit 2; }
	az deployment sub create --name mlops --location $(LOCATION) --parameters infra/main.bicepparam \
	  --query properties.outputs

.PHONY: rehearse
rehearse: $(VENV)/.dev ## run the delivery pipelines themselves on this machine (KIND=azure|github BACKEND=azure|local)
	$(BIN)/python -m rehearse run --kind $(or $(KIND),azure) --backend $(or $(BACKEND),azure)

RELEASES ?= 100
.PHONY: soak-releases
soak-releases: $(VENV)/.dev ## RELEASES releases to the faked AKS, each with a fault at a random point (SEED=... for others)
	MLOPS_TEST_RELEASES=$(RELEASES) $(if $(SEED),MLOPS_TEST_SEED=$(SEED)) $(PYTEST) -n 0 tests/deploy/test_azure_releases.py

.PHONY: format
format: $(VENV)/.dev ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Interpreters that pyenv keeps but does not put on PATH.
PYENVS := $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/3.1[0-3].*/bin/python)

.PHONY: tox
tox: $(VENV)/.dev ## the fast tests on every supported Python that is installed
	$(BIN)/tox run $(if $(PYENVS),--discover $(PYENVS))

.PHONY: clusters
clusters: $(VENV)/.dev ## search and batch scoring on real Dask and Ray clusters that lose a worker
	$(BIN)/tox run -e dask,ray

# ---- the scoring host ------------------------------------------------------------------------------------------
MINUTES ?= 5
.PHONY: soak
soak: $(VENV)/.dev ## load the scoring host for MINUTES while its workers are killed
	$(BIN)/python -m bench.serving.soak --minutes $(MINUTES)

SCHEMATHESIS := .bench/schemathesis/bin/schemathesis
.PHONY: fuzz
fuzz: $(VENV)/.dev ## schemathesis on the scoring host, from its OpenAPI document (needs a package index)
	@test -x $(SCHEMATHESIS) || { $(PYTHON) -m venv .bench/schemathesis && \
	  .bench/schemathesis/bin/python -m pip install --disable-pip-version-check --quiet schemathesis==4.32.5; }
	$(BIN)/python -m tests.score.fuzz --schemathesis $(SCHEMATHESIS)

.PHONY: bench
bench: $(VENV)/.dev ## what can be measured without peers: the registry and the fake, in short
	$(BIN)/python -m bench.registry --quick
	$(BIN)/python bench/fakes/core.py

.PHONY: bench-registry
bench-registry: $(VENV)/.dev ## compare registries (needs an index for the peers; QUICK=1 is shorter)
	$(BIN)/python -m bench.registry $(if $(QUICK),--quick)

.PHONY: bench-serving
bench-serving: $(VENV)/.dev ## compare scoring services (needs wrk and an index for the peers; about 3 GB in .bench)
	bench/serving/envs.sh .bench
	$(BIN)/python -m bench.serving.run --peers .bench

.PHONY: oracle
oracle: $(VENV)/.dev ## record the answers of Azure's inference server again
	bench/serving/envs.sh .bench azureml
	$(BIN)/python -m tests.score.oracle.record --python .bench/azureml/bin/python
