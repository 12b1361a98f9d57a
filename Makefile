# make demo and make test work on a fresh checkout: they install what is missing first (see tools/setup).

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
export PATH := $(PATH):/usr/sbin:/sbin

# Further options for pytest: make test ARGS="-k veth -x"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test bench faults lint generate format setup setup-test clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: setup ## build, use, change and remove a network in a throw-away sandbox; no root needed
	@$(PYTHON) examples/demo.py

test: setup-test ## everything that must hold: units, types, linters, docs, the real kernel, packets
	@$(PYTHON) tools/test $(ARGS)

bench: setup-test ## measure, and print the numbers
	@$(PYTHON) -m compileall -q netspec
	@$(PYTEST) -ra -m bench --capture=no $(ARGS)

faults: setup-test ## the long sweep: fail and kill everywhere, and count how it ended (more than an hour)
	@$(PYTEST) -ra -m "faults or tallied" $(ARGS)

lint: setup-test ## the part of the tests that only reads the sources
	@$(PYTEST) -ra tests/project $(ARGS)

generate: setup ## write schemas/ and docs/reference/spec.md anew, from the models
	@$(PYTHON) tools/generate.py

format: setup-test ## lay out the sources as `make lint` wants them
	@$(PYTHON) -m ruff check --fix-only --quiet .
	@$(PYTHON) -m ruff format .

setup:
	@tools/setup run

setup-test:
	@tools/setup test

clean: ## remove the virtual environment, caches and build products
	rm -rf .venv build dist *.egg-info .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
