# `make demo` and `make test` do all of their own set-up on a fresh machine; `make install` is the step they share.
# A second time is quick: the environment is made again only when pyproject.toml or constraints.txt changes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
WORKERS ?= 2
DEMO_OUT ?= runs/demo
PYTEST_ARGS ?=
QUIET ?= -qq
BENCH ?= $(basename $(notdir $(filter-out bench/_%,$(wildcard bench/*.py))))

BIN := .venv/bin
STAMP := .venv/.installed
SCHEMA := docs/architecture.schema.json
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

PIP := $(BIN)/python -m pip install $(QUIET) --constraint constraints.txt

.PHONY: help install demo test test-all lint types contracts unit unit-all format docs bench clean

help: ## Show this list.
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

install: $(STAMP) ## Create .venv and install vertebra with everything its demo and its tests need.

# A .venv whose pip does not run (moved, half made, another Python's) is made anew.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "vertebra needs Python 3.11 or newer; name one: make $(or $(MAKECMDGOALS),install) PYTHON=python3.12" >&2; exit 2; }
	@echo "Installing into .venv (some minutes the first time; make install QUIET= shows the steps)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(PIP) pip setuptools
	@$(PIP) --build-constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## The main job on real images: fit a network to scanned digits within 1 ms, and report.
	$(BIN)/vertebra fit --out $(DEMO_OUT) --force

test: lint types contracts unit ## All checks: lint, types, import contracts, tests.

test-all: lint types contracts unit-all ## All checks, the slow tests too.

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports --no-cache

# One thread for each worker: two workers with a pool each would fight over the cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

unit: $(STAMP)
	$(PYTEST) $(PYTEST_ARGS)

unit-all: $(STAMP)
	$(PYTEST) -m "slow or not slow" $(PYTEST_ARGS)

format: $(STAMP) ## Rewrite the sources in the house format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## Write the generated part of docs/: the JSON Schema, the pages on the zoo, the drawings of blocks.
	$(BIN)/vertebra schema > $(SCHEMA).tmp
	mv $(SCHEMA).tmp $(SCHEMA)
	$(BIN)/python docs/generate.py

bench: $(STAMP) ## Run the benchmarks, one after the other; one alone: make bench BENCH=cost.
	@for name in $(BENCH); do echo "== bench/$$name.py"; $(BIN)/python bench/$$name.py; done

clean: ## Remove caches and build outputs. Keeps .venv and runs/.
	rm -rf build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -path ./.venv -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
