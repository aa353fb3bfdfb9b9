# ckptscope. `make demo` shows it, `make test` checks it; both build their own .venv.
#
#   make demo     build demonstration checkpoints and inspect them (installs the core alone)
#   make test     lint, types, import contract, tests (installs everything, torch included)
#   make fuzz     random damage to every kind of container, for MINUTES=1
#   make bench    measure against torch.load and write the table into benchmarks/README.md
#   make clean    remove what the others made, the .venv included

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# -qq keeps errors and drops the rest; pip's notes about itself and about root help nobody here.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
INSTALL := $(PIP) install --root-user-action=ignore -c constraints.txt
# Installed once for each change of these two.
RECIPE := pyproject.toml constraints.txt

# Tests are shared out over this many processes.
JOBS ?= 2
# How long to fuzz.
MINUTES ?= 1
# More arguments for pytest: make tests ARGS='-k sniff'
ARGS ?=

.PHONY: help demo test lint types contract tests fuzz bench clean

help:
	@sed -n 's/^#   //p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'ckptscope needs Python 3.11 or newer: make demo PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo 'python3 has no venv module; on Debian: apt-get install python3-venv' >&2; exit 1; }

$(VENV)/.core: $(RECIPE) | $(BIN)/python
	@echo 'installing ckptscope into $(VENV)'
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.everything: $(RECIPE) | $(BIN)/python
	@echo 'installing ckptscope, torch and the development tools into $(VENV)'
	@$(INSTALL) -e '.[dev,forward]'
	@touch $@ $(VENV)/.core

# A terminal has its own width; a pipe or a log gets room for the tables.
demo: $(VENV)/.core
	@echo 'building checkpoints of generated weights in demo/'
	@$(BIN)/python -m fixtures --set demo --out demo
	@echo
	@echo '$$ ckptscope inspect demo/*'
	@[ -t 1 ] || export COLUMNS=$${COLUMNS:-100}; $(BIN)/ckptscope inspect demo/*

test: lint types contract tests

lint: $(VENV)/.everything
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.everything
	@$(BIN)/mypy

contract: $(VENV)/.everything
	@$(BIN)/lint-imports --no-logo

tests: $(VENV)/.everything
	@$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

fuzz: $(VENV)/.everything
	@$(BIN)/python -m tests.fuzz --minutes $(MINUTES) --jobs $(JOBS)

bench: $(VENV)/.everything
	@$(BIN)/python -m benchmarks --write

clean:
	rm -rf $(VENV) demo large build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache \
	  .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
