# `make help` lists what there is. Everything happens in $(VENV); nothing outside this folder is changed.
VENV ?= .venv
WORKERS ?= 2
BENCH ?= *
ARGS ?=
PORT ?= 9092

PY = $(VENV)/bin/python
PIP = $(PY) -m pip --disable-pip-version-check -q
SHELL = /bin/sh

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-dev demo broker test chaos lint format bench schemas docs lock clean

help: ## this list
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-12s %s\n", $$1, $$2}'

demo: $(VENV)/.runtime ## real drift in a real stream: sets up, starts everything, shows it live, ends in about a minute
	@$(VENV)/bin/stream-gov demo $(ARGS)

broker: ## a Kafka for development in the foreground, where Java and Maven are (PORT=9092)
	@scripts/kafka-broker.sh $(PORT) $(ARGS)

test: $(VENV)/.dev lint ## everything that must hold: style, types, layers, all tests
	@$(PY) -m pytest -q -n $(WORKERS) --dist loadgroup $(ARGS)

chaos: $(VENV)/.dev ## a million events each while workers and servers are killed, frozen and cut off, and a million fuzzed ones: an hour (CHAOS_EVENTS, CHAOS_FAULTS, CHAOS_SEED)
	@$(PY) -m pytest -q -s -m chaos tests/chaos $(ARGS)

lint: $(VENV)/.dev ## style, types and layers only
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet . || { echo "run 'make format' to format these:"; $(PY) -m ruff format --check .; exit 1; }
	@$(PY) -m mypy --no-error-summary
	@$(VENV)/bin/lint-imports --no-logo > $(VENV)/lint-imports.log 2>&1 || { cat $(VENV)/lint-imports.log; exit 1; }

format: $(VENV)/.dev ## format the code, mend what can be mended
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: $(VENV)/.dev ## measure speed and memory (BENCH=detect: only that one); the figures of the README come from here
	@set -e; for script in $$(grep -l __main__ bench/$(BENCH).py); do echo "$$script"; $(PY) $$script $(ARGS); done

schemas: $(VENV)/.runtime ## write schemas/ from the classes
	@$(PY) -m stream_gov.files.schema_files schemas

docs: $(VENV)/.runtime ## write the pages of docs/ that come from the code
	@$(PY) -m stream_gov.cli.reference_page docs/cli.md
	@$(PY) -m stream_gov.cli.settings_page docs/settings.md

setup: $(VENV)/.runtime ## the environment alone, with what stream-gov needs to run

setup-dev: $(VENV)/.dev ## the environment with what its tests need too

lock: $(VENV)/.dev ## pin the newest versions that fit pyproject.toml in requirements/
	@$(PIP) install uv
	@sh scripts/lock.sh $(PY)

clean: ## remove the environment and everything the tools leave behind
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@python=$$(sh scripts/choose-python.sh) || exit 1; \
	echo "Making $(VENV) with $$($$python --version)"; \
	$$python -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

# Stamps: set-up runs once, and again when a lock or the project's metadata changes.
$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what stream-gov needs (about a minute the first time)"
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing what the tests need"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
