# Everything a developer or CI does with this project, each in one word. Needs Python >= 3.11 (with venv), pip and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
ARGS ?=

# PYTHONDONTWRITEBYTECODE in the caller's environment would leave site-packages uncompiled: every cold start pays for it.
# Errors only: a clean run prints nothing.
QUIET := --quiet --quiet
PIP := env -u PYTHONDONTWRITEBYTECODE PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip

# No address, host name or path of an index may stand in a lock; hashes alone say what may be installed.
COMPILE := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m piptools compile --quiet --generate-hashes --allow-unsafe \
	--no-strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check format bench screenshots lock wheel clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## create .venv with every locked dependency and this project in it

$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no python3 found. Install Python 3.11 or newer, then run make again." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version.split()[0]; sys.exit(None if sys.version_info >= (3, 11) else f"error: $(PYTHON) is Python {v}, Trackrecord needs 3.11 or newer. Install it, or name one: make PYTHON=/path/to/python3.11")'
	@"$(PYTHON)" -c 'import ensurepip, venv' || { echo "error: this Python has no venv. On Debian: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(PIP) install $(QUIET) --require-hashes -r requirements/dev.txt
	$(PIP) install $(QUIET) --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## run the demonstration: one agent, two engines, one record
	$(BIN)/trackrecord demo $(ARGS)

test: $(READY) ## run the whole test suite (ARGS="tests/unit -k fold" narrows it)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

check: $(READY) ## formatting, lint, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(READY) ## rewrite the code in the house format, and fix what lint can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## run the benchmarks and print their figures
	$(BIN)/python -m benchmarks $(ARGS)

screenshots: $(READY) ## look at every page: real runs, photographed in Chromium and on a terminal, into screenshots/
	$(BIN)/python -m tests.browser.screenshots screenshots

lock: $(READY) ## resolve all dependencies anew and write requirements/*.txt (ARGS="--upgrade" takes newer releases)
	$(COMPILE) $(ARGS) --output-file requirements/runtime.txt pyproject.toml
	$(COMPILE) $(ARGS) --all-extras --constraint requirements/runtime.txt --output-file requirements/dev.txt pyproject.toml requirements/dev.in
	@if grep -nE '://|--(extra-)?index-url|--find-links|--trusted-host' requirements/*.txt; then echo "error: a lock names an address (above)" >&2; exit 1; fi

wheel: $(READY) ## build the wheel, install it alone in a fresh environment, and start it there
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	set -eu; tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	"$(PYTHON)" -m venv "$$tmp/venv"; \
	"$$tmp/venv/bin/python" -m pip install $(QUIET) --require-hashes -r requirements/runtime.txt; \
	"$$tmp/venv/bin/python" -m pip install $(QUIET) --no-deps dist/*.whl; \
	cd "$$tmp"; \
	venv/bin/python -c 'import trackrecord; print("imported", trackrecord.__file__)'; \
	venv/bin/trackrecord --help

clean: ## remove .venv, builds and caches
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
