# Every target sets up what it needs in .venv; all that must be there already is Python 3.11 or newer, make and git.
# Once set up, nothing here needs the network.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check install --no-warn-script-location --constraint constraints.txt
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
# Files of timings alone are read from this package, so what it depends on is left out.
MEASURED := aiconfigurator-core==0.12.0
# Some of these claims miss, each with its reason in validation/; a test holds the list of those that do.
CLAIMS := flash_attention flash_decoding sage_attention lean_attention flash_sigmoid neupims neupims_paper attacc lamina
PYTEST_WORKERS ?= auto
PYTHON ?=
export PYTHONUTF8 = 1

.PHONY: help setup demo test lint format bench reports validate calibrations wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(DEV) ## make .venv with everything, tools for development included

demo: $(RUNTIME) ## FuseMax against FLAT and unfused attention on four models, 1K to 1M tokens
	@$(BIN)/attnsim compare --model bert,trxl,t5,xlm --mapping unfused,flat,cascade,architecture,binding \
	  --seq-len 1K,4K,16K,64K,256K,1M --batch 64 --scope attention --published fusemax
	@$(BIN)/attnsim validate fusemax

test: $(DEV) ## all tests
	@$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --maxprocesses=8 $(PYTEST_ARGS)

lint: $(DEV) ## style, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(DEV) ## rewrite the code in the one format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(DEV) ## speed of the engines and of whole runs on this machine
	@for file in tests/benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

reports: $(DEV) ## regenerate reports/ from validation/ and the measured timings, byte for byte
	@$(BIN)/attnsim report

unseen: $(DEV) ## minutes: GPUs and slices that no fit saw, which reports/gpu_measured.md shows
	@$(BIN)/attnsim validate measured --unseen --out validation/measured/unseen.json

validate: $(RUNTIME) ## published claims against this code; fails if one of FuseMax does not hold
	@$(BIN)/attnsim validate fusemax
	@for name in $(CLAIMS); do $(BIN)/attnsim validate $$name; (($$? < 2)) || exit 2; done

calibrations: $(DEV) ## fit the constants of all GPU kernels and links anew, about half an hour
	@$(BIN)/attnsim calibrate
	@$(BIN)/attnsim calibrate --published
	@$(BIN)/attnsim calibrate --links

wheel: $(DEV) ## build dist/*.whl
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

clean: ## remove what the other targets made
	@rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# pip leaves the network alone when the packages that pyproject.toml asks for are there already.
$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) 'hatchling>=1.25' editables
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt $(RUNTIME)
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@$(PIP) --no-deps $(MEASURED)
	@touch $@

$(BIN)/python:
	@for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then chosen=$$candidate; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then echo "attnsim needs Python 3.11 or newer; name yours with: make PYTHON=/path/to/python" >&2; exit 2; fi; \
	echo "setting up $(VENV) with $$($$chosen --version)" >&2; \
	$$chosen -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "this Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
