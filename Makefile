# Needed before: Python 3.11 or newer with its venv module; on Python 3.11 and 3.12 also a C compiler.
# Nothing here asks a question. The first run downloads packages into .venv, later runs start at once.

.DEFAULT_GOAL := help
.PHONY: help demo test check bench faults pictures

BIN := .venv/bin
READY := .venv/.ready
READY_DEV := .venv/.ready-dev
# Tests, demo and commands start many interpreters: without compiled files each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
# How many processes the test suite runs in.
JOBS ?= 2

help: ## this list
	@echo "Pravila: rules for a sales department. Needed: Python 3.11+, a C compiler on Python 3.11 and 3.12."
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(READY) ## set up from nothing, fill a demo company, start everything; Ctrl-C stops it
	@exec $(BIN)/pravila demo

test: check ## check, then the whole test suite
	$(BIN)/python -m pytest -n $(JOBS)

check: $(READY_DEV) ## lint, format, types, who may import whom
	@$(BIN)/python hatch_build.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY_DEV) ## benchmarks: rule engines beside their peers, requests end to end, replay
	$(BIN)/python -m tests.benchmarks

pictures: $(READY_DEV) ## the screenshots of the guide for heads, from a demo company made for them (needs Chromium)
	$(BIN)/python -m tests.browser.pictures

# FAULT_REQUESTS, FAULT_PER_SECOND and FAULT_KILL_EVERY size the long run; each prints a table of what came of it.
faults: $(READY_DEV) ## long fault runs: parts killed during 10,000 requests, on both databases; more generated examples
	FAULT_REQUESTS=$${FAULT_REQUESTS:-10000} $(BIN)/python -m pytest tests/faults -s
	PRAVILA_EXAMPLES=10 $(BIN)/python -m pytest tests/decisions tests/language tests/story -k "properties or engines_agree or step_or_jump or ruleset"

$(READY): pyproject.toml .ci/setup
	@sh .ci/setup

$(READY_DEV): pyproject.toml .ci/setup
	@sh .ci/setup dev
