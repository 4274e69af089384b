# Everything a newcomer needs is here: Python 3.11, make, and for the tests Node 20. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(VENV)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long asl-validators check format bench chaos docs clean test-localstack localstack bundles synth diff deploy destroy

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## set up .venv with the millrace command in it

# uv lives inside .venv, so that nothing outside the project is touched; it then installs exactly what uv.lock says.
$(VENV)/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "Millrace needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@test -x $(UV) || { echo "setting up $(VENV) ..."; $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"; }
	@$(UV) sync --locked --quiet --inexact --extra local --compile-bytecode
	@touch $@

# The CDK is large, and only who deploys, checks or tests needs it; its bytecode is made as it is used.
$(VENV)/.infra: $(VENV)/.ready
	@$(UV) sync --locked --quiet --inexact --extra local --extra infra
	@touch $@

run: setup ## start the local stage and run the example workflow (ONCE=1 stops after it)
	@$(BIN)/millrace up --demo $(if $(ONCE),--once,)

# More than there are cores on a small machine: a test waits for stores, clocks and processes half of its time.
WORKERS ?= 3

test: $(VENV)/.infra asl-validators ## run the tests (WORKERS=3)
	@$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-localstack: $(VENV)/.infra ## run the tests that need an emulator of AWS (LOCALSTACK_ENDPOINT=http://… takes one that runs)
	@$(BIN)/pytest tests/localstack -m localstack

localstack: $(VENV)/.infra infra/node_modules/.ready ## deploy everything on LocalStack (port 4566), until Ctrl-C, or on LOCALSTACK_ENDPOINT; needs no account
	@$(BIN)/python -m tests.localstack.interactive

test-long: setup asl-validators ## ask the compiler's property tests ten times as much
	@MILLRACE_TEST_TIER=long $(BIN)/pytest tests/compiler/test_properties.py tests/compiler/test_meaning.py

asl-validators: tests/asl/node_modules/.ready ## install the validators of ASL that the tests ask (needs Node)

# npm installs into tests/asl exactly what the lock file says.
tests/asl/node_modules/.ready: tests/asl/package.json tests/asl/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "The tests need Node.js 20 or newer, with npm: https://nodejs.org"; exit 1; }
	@node -e 'if (parseInt(process.versions.node) < 20) { console.log("The tests need Node.js 20 or newer, not " + process.version); process.exit(1) }'
	@npm ci --prefix tests/asl --silent --no-fund --no-audit --ignore-scripts
	@touch $@

# The CDK's command line, from the lock file in infra.
CDK := infra/node_modules/.bin/cdk
ENV ?= dev
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 1

infra/node_modules/.ready: infra/package.json infra/package-lock.json
	@npm ci --prefix infra --silent --no-fund --no-audit --ignore-scripts
	@touch $@

bundles: $(VENV)/.infra ## make the functions' zips, for Lambda or (ENV=localstack) for this machine; prints their sizes
	@$(BIN)/python -m infra.bundles $(if $(filter localstack,$(ENV)),host,aws)

synth: $(VENV)/.infra infra/node_modules/.ready ## write and check the templates of every environment; needs no AWS account
	@for env in dev prod localstack; do \
	  $(CDK) synth --quiet -c env=$$env -c code=none -c database_url=postgresql://none -c redis_url=redis://none -o cdk.out/$$env || exit 1; done

diff: bundles infra/node_modules/.ready ## what make deploy would change (ENV=dev, CONTEXT="-c key=value …")
	@$(CDK) diff -c env=$(ENV) $(CONTEXT)

deploy: bundles infra/node_modules/.ready ## deploy an environment (ENV=dev, CONTEXT="-c key=value …")
	@$(CDK) bootstrap -c env=$(ENV) $(CONTEXT)
	@$(CDK) deploy --all --require-approval never -c env=$(ENV) $(CONTEXT)

destroy: $(VENV)/.infra infra/node_modules/.ready ## remove an environment (ENV=dev); what prod keeps stays
	@$(CDK) destroy --all -c env=$(ENV) -c code=none $(CONTEXT)

check: $(VENV)/.infra ## format, lint, types, import contracts, known holes of dependencies
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@.ci/audit-dependencies

format: setup ## format and fix what can be fixed
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: setup ## measure the hot paths on this machine
	@$(BIN)/python -m bench

chaos: setup ## kill everything in turn under a mixed load, and hold what is left to what was promised (ROUNDS=50)
	@$(BIN)/python -m tests.chaos --rounds $(or $(ROUNDS),50)

docs: setup ## write what the documentation derives from the code
	@$(BIN)/millrace schema > docs/workflow.schema.json
	@$(BIN)/python -m functions.nodes.tool > shared/workflow/tools.json
	@$(BIN)/python -m local.reference nodes > docs/reference/nodes.md
	@$(BIN)/python -m local.reference tools > docs/reference/tools.md

clean: ## remove the virtual environments and caches (not the data in .millrace)
	rm -rf $(VENV) .venv-localstack .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/asl/node_modules
