# Needs only Python >= 3.11, make and a package registry; honours the user's pip and uv configuration.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST_FLAGS ?=

.PHONY: help run test lint e2e bench pictures handshake man clean

help: ## Show this list
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /make \1\t/' | expand -t 16

run: $(READY) ## Try channeld: a web chat that answers, at the address it prints
	@$(BIN)/channeld demo

test: $(READY) ## Run the unit, integration and fault tests, two at a time
	$(BIN)/python -m pytest -n 2 $(PYTEST_FLAGS)

lint: $(READY) ## Check style, types and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

e2e: $(READY) ## Run the tests with the real Claude Code and a real browser (Debian, root)
	@test -n "$$CLAUDE_BIN" || .ci/install-claude
	$(BIN)/python -m pytest --no-skips tests/e2e $(PYTEST_FLAGS)

bench: $(READY) ## Measure speed and memory, as ratios to a floor of the same run
	$(BIN)/python -m tests.benchmarks

pictures: $(READY) ## Take the pictures of the docs anew (for colour emoji: fonts-noto-color-emoji)
	@test -n "$$CLAUDE_BIN" || .ci/install-claude
	mkdir -p docs/pictures
	CHANNELD_PICTURES="$(CURDIR)/docs/pictures" $(BIN)/python -m pytest tests/e2e -k pictures $(PYTEST_FLAGS)

handshake: $(READY) ## Write the shim's built-in handshake anew from the daemon's tools
	$(BIN)/python -m channeld.daemon.tool_list > channeld/cli/handshake.json

man: $(READY) ## Write the manual page anew from the commands
	@mkdir -p man
	$(BIN)/python -m channeld.cli.manpage > man/channeld.1

clean: ## Remove the environment and everything that was cached
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): pyproject.toml uv.lock .ci/setup
	@.ci/setup "$(PYTHON)" "$(CURDIR)/$(VENV)"
	@touch $@  # last, so that an interrupted set-up is done again
