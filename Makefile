# One verb, one job. Every verb works from a fresh clone and does nothing twice.
#   VENV=DIR   where the virtual environment is     STATE=DIR  where a deployment keeps its state

VENV ?= .venv
STATE ?= state
BPF := build/bpf
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
CHECKED := src tests bench scripts
ROOTLESS := $(wildcard tests/unit tests/property tests/abi tests/architecture)
EVERYTHING := tests

# One seed, so that a run can be repeated; another one: make check SEED=random
SEED := 0
PYTEST := $(PYTHON) -m pytest --hypothesis-seed=$(SEED)

# Root is asked for only by the verbs that carry packets, and only if we are not root. What root
# runs leaves no files behind that its user could not replace.
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
AS_ROOT := $(SUDO) env "PATH=$$PATH" PYTHONDONTWRITEBYTECODE=1 \
	HYPOTHESIS_STORAGE_DIRECTORY=/tmp/portlight-hypothesis-root
ROOT_PYTEST := $(AS_ROOT) $(PYTEST) -p no:cacheprovider

# build/tools has what a distribution keeps out of PATH (scripts/install-packages fills it).
export PATH := $(abspath $(VENV))/bin:$(CURDIR)/build/tools:$(PATH):/usr/local/sbin:/usr/sbin:/sbin

.PHONY: help setup packages packages-tests bpf guest preflight check test kernel system keystone demo up down rows compatibility bench lock

help:
	@echo "make demo    install what is missing, build a sample network, prove it with packets"
	@echo "make up      start a deployment in $(STATE)/       make down   remove it"
	@echo "make check   format, lint, types, import contracts, tests without root"
	@echo "make test    check, then every suite (root)      make kernel, make system: one of them"
	@echo "make keystone   --keystone against OpenStack's own, which it installs"
	@echo "make guest   build/portlight-guest.pyz, one file to copy to a server"
	@echo "make rows    which test proves which requirement"
	@echo "make compatibility   docs/api/compatibility.md, anew from its table"
	@echo "make bench   measurements, each beside its peer  make lock   renew requirements.lock"

setup: packages $(INSTALLED) bpf

packages:
	@scripts/install-packages

# What only tests and measurements need stays away from machines that only run Portlight.
packages-tests:
	@scripts/install-packages --tests

$(INSTALLED): requirements.lock pyproject.toml | packages
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# bpf/Makefile knows its own dependencies: nothing is compiled twice.
bpf: | packages
	@$(MAKE) --no-print-directory -C bpf OUT=$(CURDIR)/$(BPF)

# Needs nothing but Python: the file is the same wherever it is packed.
guest:
	@PYTHONPATH=src python3 -m portlight.guest.bundle build/portlight-guest.pyz
	@echo build/portlight-guest.pyz

preflight:
	@$(SUDO) scripts/preflight --before-setup

check: packages-tests setup
	$(VENV)/bin/ruff format --check $(CHECKED)
	$(VENV)/bin/ruff check $(CHECKED)
	$(VENV)/bin/mypy
	$(PYTEST) $(ROOTLESS)

# The last step is one pytest run, so that the last line counts every suite.
test: preflight packages-tests setup
	@$(SUDO) scripts/preflight
	$(VENV)/bin/ruff format --check $(CHECKED)
	$(VENV)/bin/ruff check $(CHECKED)
	$(VENV)/bin/mypy
	$(ROOT_PYTEST) $(EVERYTHING)

kernel: preflight packages-tests setup
	$(ROOT_PYTEST) tests/kernel

system: preflight packages-tests setup
	$(ROOT_PYTEST) tests/system tests/compat

keystone: setup
	@scripts/keystone-peer $(abspath $(PYTHON))

demo: preflight setup
	@$(SUDO) scripts/preflight
	@$(AS_ROOT) $(VENV)/bin/portlight demo --state $(STATE)

up: preflight setup
	@$(AS_ROOT) $(VENV)/bin/portlight up --state $(STATE)

down:
	@if [ -x $(VENV)/bin/portlight ]; then $(AS_ROOT) $(VENV)/bin/portlight down --state $(STATE); \
	else echo "nothing was set up here"; fi

rows:
	@python3 scripts/rows.py

compatibility: setup
	$(PYTHON) -m scripts.compatibility

bench: preflight packages-tests setup
	$(AS_ROOT) $(PYTHON) -m bench

lock:
	test -x build/lock/bin/python || python3 -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/lock/bin/uv pip compile --quiet --upgrade --python-version 3.11 --python-platform linux \
		--extra dev --generate-hashes --no-emit-index-url --no-header \
		pyproject.toml --output-file requirements.lock
