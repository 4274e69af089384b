# Everything a newcomer needs is here: Python 3.11 and make. `make help` lists the targets.
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
.PHONY: help setup run test check format bench docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## set up .venv with the millrace command in it

# uv lives inside .venv, so that nothing outside the project is touched; it then installs exactly what uv.lock says.
$(VENV)/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "Millrace needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@test -x $(UV) || { echo "setting up $(VENV) ..."; $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"; }
	@$(UV) sync --locked --quiet --inexact --extra local --compile-bytecode
	@touch $@

run: setup ## start the local stage and run the example workflow (ONCE=1 stops after it)
	@$(BIN)/millrace up --demo $(if $(ONCE),--once,)

test: setup ## run the tests
	@$(BIN)/pytest

check: setup ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## format and fix what can be fixed
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: setup ## measure the hot paths on this machine
	@$(BIN)/python -m bench

docs: setup ## write what the documentation derives from the code
	@$(BIN)/millrace schema > docs/workflow.schema.json
	@$(BIN)/python -m functions.nodes.tool > shared/workflow/tools.json

clean: ## remove the virtual environment and caches (not the data in .millrace)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
