# numalocal: `make help` lists what there is. Set-up is part of every target and quick the second time.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := core deviceplugin operator tests setup
WIRE := numalocal_deviceplugin/wire
# pip compiles what it installs, but no editable install: `numalocal topology` would start half as fast
# for users whose environment forbids Python to write byte code.
COMPILE := $(BIN)/python -m compileall -q core
GRPC_PROTOS := deviceplugin_v1beta1 podresources_v1
export N MINUTES SEED FAULT
RECORDING ?= tests/deviceplugin/runtime/containerd-2.4.txt.gz
EVERYWHERE := not e2e and not engines and not toolchains and not vllm

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Place, bind and verify the example worker on this machine
	@$(BIN)/numalocal run -f examples/local.yaml

test: build/.packages-test check native native-check helm ## Set up, check and pass all tests that need no cluster
	@setup/suites.sh -q -rs -m "$(EVERYWHERE)"

coverage: build/.packages-test check native native-check helm ## What `make test` does, and what of the code it reaches
	@setup/suites.sh -q -rs -m "$(EVERYWHERE)" --cov --cov-report= --cov-fail-under=0
	@$(BIN)/coverage combine -q build/coverage/apart build/coverage/rest
	@$(BIN)/coverage report

test-toolchains: build/.packages-toolchains $(VENV)/.dev native ## Build for other architectures, run that in emulation, and fuzz
	@$(BIN)/pytest -v -m toolchains tests/native

test-engines: $(VENV)/.dev native ## Run real engines and OpenMP runtimes, and look at their threads
	@setup/engines.sh
	@setup/vllm.sh planning
	@$(BIN)/pytest -v -m engines tests/engines

test-vllm: $(VENV)/.dev native ## Run vLLM itself, two engines beside each other (6 GB of disk, 17 of memory)
	@setup/vllm.sh engine
	@$(BIN)/pytest -v -s -m vllm tests/engines

hostile: $(VENV)/.dev ## Spoil a hundred thousand machines and as many pods, give the agent a million inputs and as many events
	@NUMALOCAL_EXPLORE=1 $(BIN)/pytest -q -m "$(EVERYWHERE)" $$(grep -rl "^@given" tests --include=test_*.py)
	@NUMALOCAL_HOSTILE_TREES=100000 $(BIN)/pytest -q tests/core/commands/test_hostile_trees.py
	@NUMALOCAL_HOSTILE_PODS=100000 $(BIN)/pytest -q tests/core/worker/test_hostile_pods.py
	@NUMALOCAL_HOSTILE_NODES=25000 NUMALOCAL_HOSTILE_TIMES=350 $(BIN)/pytest -q tests/deviceplugin/hostile

bench: $(VENV)/.dev native ## Time discovery beside lstopo and lscpu, the webhook, and two workers with and without sets
	@$(BIN)/python tests/benchmarks/discovery.py
	@$(BIN)/python tests/benchmarks/webhook.py
	@$(BIN)/python tests/benchmarks/contention.py

bench-agent: $(VENV)/.dev ## Measure the node agent: memory, rest, start, and what each call takes
	@GRPC_VERBOSITY=NONE $(BIN)/python -m tests.benchmarks.agent

bench-scale: $(VENV)/.dev helm ## Measure the operator beside the Deployment controller (WORKERS="300 1000 5000"), or with a full cluster (NODES=5000)
	@PYTHONPATH=tests/e2e $(BIN)/python -m tests.benchmarks.scale --workers $(or $(WORKERS),300) $(NODES:%=--nodes %)

bare: ## Pass `make run` and `make test` on a Debian with python3, make and git alone (SUITE=trixie)
	@PYTHONPATH=tests/e2e $(PYTHON) -m lab newcomer $(SUITE)

nodeless: $(VENV)/.dev native helm ## Run what needs an API server or a machine in QEMU alone
	@$(BIN)/pytest -v -m "e2e and not node" tests/e2e tests/benchmarks/scale

e2e: $(VENV)/.dev native helm ## Run the real lab: a control plane, a node in QEMU, helm install, workers
	@NUMALOCAL_LAB_SUITE=whole $(BIN)/pytest -v -m node tests/e2e

e2e-short: $(VENV)/.dev native helm ## Run the few of these that other versions are tried with (NUMALOCAL_LAB_RUNTIME, _KUBERNETES)
	@NUMALOCAL_LAB_SUITE=short $(BIN)/pytest -v -m "node and short" tests/e2e

runs: $(VENV)/.dev ## Write what was run on the lab into the table of docs/runtimes.md
	@$(BIN)/python setup/runs.py

recording: $(VENV)/.dev ## Record on the lab what its container runtime says to the agent (RECORDING=file)
	@PYTHONPATH=tests/e2e:core $(BIN)/python -m recording $(RECORDING)

faults: $(VENV)/.dev ## Do random faults on the lab and judge each by the node's kernel (N=1000, MINUTES=8, SEED, FAULT=kind)
	@PYTHONPATH=tests/e2e:core $(BIN)/python -m faults

lab: $(VENV)/.dev ## Start the lab, leave it running and print the KUBECONFIG to use
	@PYTHONPATH=tests/e2e $(BIN)/python -m lab up

lab-down: ## Stop the lab that `make lab` started, and only that
	@PYTHONPATH=tests/e2e $(PYTHON) -m lab down

check: $(VENV)/.dev ## Format, lint, types, import contracts
	@$(BIN)/ruff format --check -q $(SOURCES)
	@$(BIN)/ruff check -q $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

helm: $(VENV)/.dev
	@PYTHONPATH=tests/e2e $(BIN)/python -m lab helm >/dev/null || echo "no helm: tests of the chart are skipped"

build: $(VENV)/.run native ## Set up the command line and the binder

native: build/.packages-run
	@$(MAKE) -s -C native

native-check: build/.packages-run
	@$(MAKE) -s -C native check

fmt: $(VENV)/.dev ## Format the Python code
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

golden: $(VENV)/.dev native ## Write the golden files anew; review the difference
	@NUMALOCAL_GOLDEN=write $(BIN)/pytest -q -m "$(EVERYWHERE)" tests || true
	@git diff --stat -- tests/golden

manual: $(VENV)/.dev ## Write the completions and the manual anew from the command line
	@$(BIN)/python setup/manual.py

metrics: $(VENV)/.dev ## Write dashboard, alerts and their document anew from the table of metrics
	@$(BIN)/python setup/metrics.py

chart: $(VENV)/.dev ## Write the chart's README anew from its values, and pack the chart for a registry (build/chart)
	@$(BIN)/python setup/chart.py
	@helm=$$(PYTHONPATH=tests/e2e $(BIN)/python -m lab helm) && $$helm lint --strict charts/numalocal \
	  && $$helm package charts/numalocal --destination build/chart \
	  && echo "push it with: helm push build/chart/numalocal-VERSION.tgz oci://REGISTRY"

protos: $(VENV)/.dev ## Generate the wire code from protos/
	@$(BIN)/python -m grpc_tools.protoc -I$(WIRE)=protos --python_out=deviceplugin \
	  --pyi_out=deviceplugin $(patsubst protos/%,$(WIRE)/%,$(wildcard protos/*.proto))
	@$(BIN)/python -m grpc_tools.protoc -I$(WIRE)=protos --grpc_python_out=deviceplugin \
	  $(GRPC_PROTOS:%=$(WIRE)/%.proto)

clean: ## Remove what was built, but no downloads of the lab
	@rm -rf build $(VENV)

build/.packages-%: setup/packages.sh setup/need.sh
	@PYTHON=$(PYTHON) setup/packages.sh $*
	@mkdir -p build && touch $@

$(VENV)/bin/python: | build/.packages-run
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check --upgrade "pip>=25.1,<27"

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "setting up $(VENV)"
	@$(BIN)/pip install -q --disable-pip-version-check -e .
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "setting up $(VENV) for development"
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[deviceplugin,operator]' --group dev
	@$(COMPILE)
	@touch $@ $(VENV)/.run

.PHONY: help run test coverage test-toolchains test-engines test-vllm hostile bench bench-agent bench-scale bare nodeless e2e e2e-short runs recording faults lab lab-down check helm build native native-check fmt golden manual metrics chart protos clean
