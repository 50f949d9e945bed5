# What a person does with this repository, each with one command. Nothing is installed outside .venv, except by
# `make test` as root on Debian, which installs what the container tests need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# An engine that answers is used; `make test PRIVATE_ENGINE=1` insists on one of its own.
BESIDE_ENGINE := $(BIN)/python -m tools.private_engine $(if $(PRIVATE_ENGINE),--private) --
# In an engine of our own nobody else makes anything: what is there after the tests was left by them.
CHECKED := $(if $(PRIVATE_ENGINE),$(BIN)/python tools/leftovers.py --)
# More for pytest: make test PYTEST="-x -k network"
PYTEST ?=
# What the tests of the index run with: make test DATABASES=sqlite is quicker.
DATABASES ?= all

.DEFAULT_GOAL := help
# every-test is what `test` runs beside an engine.
.PHONY: help setup demo test every-test lint types unit databases integration format docs bench-fleet bench-server bench-databases bench-converters clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  make %-16s %s\n' "$$name" "$$text"; done

setup: $(READY) ## Make the virtual environment with everything in it

$(READY): pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh $(PYTHON) $(VENV)
	@touch $@

demo: $(READY) ## Three DICOM nodes come up, answer, take images and go again
	@$(BIN)/python -m conquestctl.demo

test: lint types ## Lint, types and every test this machine can run
	@echo "tests"
	@$(BESIDE_ENGINE) $(CHECKED) $(MAKE) --no-print-directory every-test

every-test: $(READY)
	@CONQUESTCTL_DATABASES="$(DATABASES)" $(BIN)/python -m pytest -q -n auto -m "not docker" $(PYTEST)
	@echo "tests with containers"
	@$(BIN)/python -m pytest -q -m docker $(PYTEST)

lint: $(READY) ## Style and likely mistakes
	@echo "lint"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "some files are not formatted: make format"; exit 1; }

types: $(READY) ## Static types
	@echo "types"
	@$(BIN)/mypy --no-error-summary

unit: $(READY) ## Tests that need no engine
	@$(BIN)/python -m pytest -q -n auto -m "not docker" $(PYTEST)

databases: $(READY) ## Tests of the index with SQLite, PostgreSQL and MariaDB
	@CONQUESTCTL_DATABASES="$(DATABASES)" $(BIN)/python -m pytest -q -n auto tests/dgate/archive $(PYTEST)

integration: $(READY) ## Tests against real engines
	@$(BESIDE_ENGINE) $(CHECKED) $(BIN)/python -m pytest -q tests/integration $(PYTEST)

format: $(READY) ## Format the sources
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

docs: $(READY) ## Write the reference page anew from the commands' help
	@$(BIN)/python tools/generate_reference.py

bench-fleet: $(READY) ## Measure the fleet commands beside docker-compose and the bare SDK
	@$(BESIDE_ENGINE) $(BIN)/python -m benchmarks.fleet

bench-server: $(READY) ## Measure the server beside other DICOM servers
	@$(BIN)/python -m benchmarks.server

bench-databases: $(READY) ## Measure storing with each of the databases
	@$(BIN)/python -m benchmarks.server.databases

bench-converters: $(READY) ## Measure what lines of converters.txt cost
	@$(BIN)/python -m benchmarks.server.converters

clean: ## Remove the virtual environment and all caches
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
