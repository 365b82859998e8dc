# Everything here sets itself up: needed are make and a Python of at least 3.11, nothing else.
#   make demo    a small application, traced without a change to it, shown as a tree
#   make test    the tests            make lint    style, types, imports  make check   both
#   make fuzz    the providers' answers and requests at random, FUZZ_EXAMPLES (1000) of each kind
#   make matrix  the oldest and the newest of each supported SDK           make bench   the overhead
#   make bench-peers  the overhead beside that of other packages (an hour, packages are downloaded)
#   make foreign-tests    the test suites of langchain-core, langgraph, openai and langchain-tests, with the instrumentation off and on (20 minutes)
#   make clean   removes what these made, the backends aside
#   make mutation         breaks the core, guard and sampler in many small ways, and lists what no test notices (half an hour)
#   make backends         Collector, Jaeger, Prometheus and Kafka as programs on this machine (needs go, java, mvn)
#   make e2e              the tests against them
#   make browser          Playwright, and Debian's Chromium (root), for the test of examples/feedback; without them it is skipped
#   make rules            writes collector/prometheus/rules.yaml for the Prometheus Operator, after a change to it
#   make demo BACKENDS=1  the demo, its telemetry through the Collector to Jaeger

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first of these that is new enough and can make virtual environments; `make PYTHON=…` overrides.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; \
	done)

VENV := .venv
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --no-input --quiet
PYTEST_ARGS ?=
# The processes that the tests are spread over: one for each core, or a number.
TEST_JOBS ?= logical

# Marks of a finished installation; they go stale when the dependencies change.
DEMO_READY := $(VENV)-demo/.ready
DEV_READY := $(VENV)/.ready-dev
MUTATION_READY := $(VENV)/.ready-mutation
FOREIGN_READY := $(VENV)-foreign/.ready

OPENAI_VERSIONS := 1.66.0 2 3
MATRIX := $(OPENAI_VERSIONS:%=matrix-%)

# The SageMaker SDKs and aiobotocore pin what the others need in other versions: each has an environment of its own.
SAGEMAKER_JOBS := boto3 sdk2 sdk3 aio aioboto3
SAGEMAKER_MATRIX := $(SAGEMAKER_JOBS:%=matrix-sagemaker-%)
SAGEMAKER_boto3 := 'boto3==1.34.0'
SAGEMAKER_sdk2 := 'sagemaker>=2.214,<3'
SAGEMAKER_sdk3 := 'sagemaker-core>=2' langchain-aws
SAGEMAKER_aio := 'aiobotocore>=3' httpx2 'opentelemetry-instrumentation-botocore>=0.62b0'
SAGEMAKER_aioboto3 := aioboto3
SAGEMAKER_TESTS_boto3 := tests/providers/sagemaker
SAGEMAKER_TESTS_sdk2 := tests/providers/sagemaker/test_sdk2.py
SAGEMAKER_TESTS_sdk3 := tests/providers/sagemaker/test_sdk3.py tests/providers/sagemaker/test_langchain_aws.py
SAGEMAKER_TESTS_aio := tests/providers/sagemaker/test_aio.py tests/providers/sagemaker/test_aio_bodies.py
SAGEMAKER_TESTS_aioboto3 := $(SAGEMAKER_TESTS_aio)

# The oldest LangChain that is supported, with what was current beside it, and the oldest wrapt.
LANGCHAIN_OLDEST := langchain-core==1.4.0 langchain==1.3.7 langchain-openai==1.2.2 langchain-anthropic==1.4.4 \
	langgraph==1.2.4 numpy wrapt==1.15.0

.PHONY: help demo backends rules browser e2e test fuzz lint check matrix $(MATRIX) matrix-langchain matrix-sagemaker $(SAGEMAKER_MATRIX) bench bench-peers mutation foreign-tests clean

help:
	@sed -n '2,/^$$/s/^# \{0,3\}//p' Makefile

demo: $(DEMO_READY) $(if $(BACKENDS),backends)
	@$(VENV)-demo/bin/python examples/llm_twin/run.py $(if $(BACKENDS),--backends)

backends: $(BIN)/python
	@$(BIN)/python backends/build.py

# The Prometheus Operator takes the same rules in a resource of its own.
OPERATOR_RULES := collector/kubernetes/monitoring/rules.yaml
rules:
	sed -i '/^spec:/q' $(OPERATOR_RULES)
	sed -n '/^groups:/,$$p' collector/prometheus/rules.yaml | sed 's/^./  &/' >> $(OPERATOR_RULES)

test: $(DEV_READY)
	$(BIN)/python -m pytest -q -n $(TEST_JOBS) --maxprocesses 8 --dist loadfile --ignore=tests/e2e $(PYTEST_ARGS)

# The normal run tries a few, always the same ones.
fuzz: $(DEV_READY)
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -q --timeout 0 tests/fuzz $(PYTEST_ARGS)

# What clicks on the page of examples/feedback.
browser: $(DEV_READY)
	$(BIN)/python $(PIP) install --group browser
	command -v chromium >/dev/null || { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium >/dev/null; }

# Required: a program that is missing fails the tests, not skips them. Only the browser may be missing.
e2e: $(DEV_READY) $(DEMO_READY) backends
	$(if $(CI),-$(MAKE) --no-print-directory browser)
	E2E=required $(BIN)/python -m pytest -q tests/e2e $(PYTEST_ARGS)

lint: $(DEV_READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m basedpyright
	$(BIN)/lint-imports

check: lint test

matrix: $(MATRIX) matrix-langchain matrix-sagemaker

matrix-langchain: $(VENV)-langchain/.ready
	$(VENV)-langchain/bin/python -m pytest -q tests/providers/langchain tests/instrumentation/test_patching.py $(PYTEST_ARGS)

matrix-sagemaker: $(SAGEMAKER_MATRIX)

$(MATRIX): matrix-%: $(VENV)-openai-%/.ready
	$(VENV)-openai-$*/bin/python -m pytest -q tests/providers/openai $(PYTEST_ARGS)

$(SAGEMAKER_MATRIX): matrix-sagemaker-%: $(VENV)-sagemaker-%/.ready
	$(VENV)-sagemaker-$*/bin/python -m pytest -q $(SAGEMAKER_TESTS_$*) $(PYTEST_ARGS)

bench: $(DEV_READY)
	$(BIN)/python benchmarks/run.py

# Beside the public peers, each in an environment of its own.
bench-peers: $(BIN)/python
	$(BIN)/python benchmarks/peers.py --write $(BENCH_ARGS)

# Not part of the gate. `mutmut show NAME` has what a survivor changed; PATTERN="otel_llm.guard.*" picks some.
mutation: $(MUTATION_READY)
	$(BIN)/mutmut run $(if $(PATTERN),"$(PATTERN)")
	@$(BIN)/mutmut results
	@$(BIN)/mutmut export-cicd-stats >/dev/null
	@$(BIN)/python -c 'import json; counts = json.load(open("mutants/mutmut-cicd-stats.json")); \
		tried = sum(counts[kind] for kind in ("killed", "survived", "timeout", "no_tests", "suspicious", "segfault")); \
		print(counts, "%.1f %% of %d killed" % (100 * counts["killed"] / tried, tried))'

# Not part of the gate. A test of theirs whose outcome changes with the instrumentation fails the command.
foreign-tests: $(FOREIGN_READY)
	$(VENV)-foreign/bin/python tests/foreign/run.py $(FOREIGN_ARGS)

clean:
	rm -rf $(VENV) $(VENV)-foreign $(VENV)-demo $(VENV)-openai-* $(VENV)-langchain $(VENV)-sagemaker-* mutants out build dist .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --clear: a half-made environment of an interrupted run starts afresh. pip 25.1 brought dependency groups.
define new_venv
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer, with the venv module, was not found;" \
		"name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Setting up $(1) with $(PYTHON) ..."
	@$(PYTHON) -m venv --clear $(1)
	@$(1)/bin/python $(PIP) install --upgrade 'pip>=25.1'
endef

$(BIN)/python:
	$(call new_venv,$(VENV))

$(DEMO_READY): pyproject.toml examples/llm_twin/requirements.txt
	$(call new_venv,$(VENV)-demo)
	@$(VENV)-demo/bin/python $(PIP) install --editable '.[openai,langchain,sagemaker,otlp,cli,cost,prompts]' \
		--requirement examples/llm_twin/requirements.txt
	@touch $@

$(DEV_READY): pyproject.toml $(BIN)/python
	@$(BIN)/python $(PIP) install --editable '.[openai,langchain,sagemaker,otlp,cli,cost,prompts,jinja,tokens]' --group test --group integrations --group lint
	@touch $@

$(MUTATION_READY): $(DEV_READY)
	@$(BIN)/python $(PIP) install --group mutation
	@touch $@

# The newest of each, as the development environment has them, and what their own tests need.
$(FOREIGN_READY): pyproject.toml
	$(call new_venv,$(VENV)-foreign)
	@$(@D)/bin/python $(PIP) install --editable '.[otlp,openai,langchain]' --group foreign
	@touch $@

$(VENV)-langchain/.ready: pyproject.toml Makefile
	$(call new_venv,$(VENV)-langchain)
	@$(@D)/bin/python $(PIP) install --editable '.[otlp]' --group test $(LANGCHAIN_OLDEST)
	@touch $@

$(VENV)-sagemaker-%/.ready: pyproject.toml Makefile
	$(call new_venv,$(VENV)-sagemaker-$*)
	@$(@D)/bin/python $(PIP) install --editable '.[otlp]' --group test $(SAGEMAKER_$*)
	@touch $@

# "2" is the newest 2.x; a full version is that version.
$(VENV)-openai-%/.ready: pyproject.toml
	$(call new_venv,$(VENV)-openai-$*)
	@$(@D)/bin/python $(PIP) install --editable '.[otlp,cli]' --group test 'openai==$*$(if $(findstring .,$*),,.*)'
	@touch $@
