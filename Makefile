# Needs only Python >= 3.11, make and a package registry; honours the user's pip and uv configuration.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_VERSION := >=0.9,<1

export UV_PROJECT_ENVIRONMENT := $(VENV)

.PHONY: help run test lint e2e bench handshake clean

help: ## Show this list
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /make \1\t/' | expand -t 16

run: $(READY) ## Try channeld: a web chat that answers, at the address it prints
	@$(BIN)/channeld demo

test: $(READY) ## Run the unit, integration and fault tests
	$(BIN)/python -m pytest

lint: $(READY) ## Check style, types and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

e2e: $(READY) ## Run the tests with the real Claude Code and a real browser (Debian, root)
	.ci/install-claude
	$(BIN)/python -m pytest tests/e2e --timeout 300

bench: $(READY) ## Measure speed and memory, as ratios to a floor of the same run
	$(BIN)/python -m tests.benchmarks

handshake: $(READY) ## Write the shim's built-in handshake anew from the daemon's tools
	$(BIN)/python -m channeld.daemon.tools > channeld/cli/handshake.json

clean: ## Remove the environment and everything that was cached
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# One step, so that an interrupted set-up is done again.
$(READY): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Error: channeld needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Error: this Python cannot make virtual environments." >&2; \
	  echo "Try: apt-get install python3-venv (or your system's name for it)" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check 'uv$(UV_VERSION)' && \
	  $(BIN)/uv sync --quiet --locked --inexact || { \
	  echo "Error: the packages could not be installed." >&2; \
	  echo "Try: look at the lines above; without a way to the package registry set PIP_INDEX_URL and UV_DEFAULT_INDEX" >&2; \
	  exit 1; }
	@touch $@
