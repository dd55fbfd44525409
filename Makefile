# `make help` lists the targets. Everything runs from .venv, which `make env` makes from requirements.lock.

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
TORCH := torch==2.13.0
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --quiet host rules reason

# The lock leaves out torch and what only its CUDA builds need: which build is right depends on the machine.
UNLOCKED := torch triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cccl nvidia-cuda-cupti \
  nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-cusolver nvidia-cusparse \
  nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx

.DEFAULT_GOAL := help
.PHONY: help env reconstruct demo paper unlock check test lint format docs lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: .venv/.installed  ## install everything into .venv, once

# The one package that is built here, noise, is built by the setuptools of the lock.
# Python files are compiled on all cores, where pip would use one; some packages have files that are no Python 3.
# An ordinary torch for Linux needs its CUDA libraries too: where it does not import without them, they are added.
.venv/.installed: requirements.lock pyproject.toml
	@case "$(CURDIR)" in *[[:space:]]*) echo "$(CURDIR): the path has a space; Snakemake starts no scripts there. Move the folder." >&2; exit 1; esac
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make env PYTHON=...")'
	$(PYTHON) -m venv .venv
	sed -n '/^setuptools==/,/[^\\]$$/p' requirements.lock > .venv/setuptools.lock
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes --no-deps -r .venv/setuptools.lock
	$(BIN)/python -m pip install --quiet --no-compile --no-build-isolation --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-compile --no-deps $(TORCH)
	$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install $(TORCH)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# The longest training has priority, so that it does not end alone.
demo: env  ## every figure and number at small scale, into results/quick
	$(SNAKEMAKE) --prioritize results/quick/models/stack2_resnet.json --configfile config/quick.yaml -- all
	@echo
	@echo "Look first at"
	@echo "  results/quick/tables/scorecard.html                 the paper's numbers beside these"
	@echo "  results/quick/figures/fig4a.png                     four layers, two sensors: measurements, output and target"
	@echo "  results/quick/reconstructions/*/view.html           interactive 3-D views of the example acquisitions"

reconstruct: env  ## 3-D maps of the example acquisitions by the released networks, into results/quick
	$(SNAKEMAKE) --configfile config/quick.yaml -- reconstruct
	@echo
	@echo "Open in a browser:"
	@for view in results/quick/reconstructions/*/view.html; do echo "  $$view"; done
	@echo "and look at overview.png beside each. What they show: resources/acquisitions/README.md"

paper: env  ## every figure and number at the paper's scale, into results/paper
	$(SNAKEMAKE) --prioritize results/paper/models/stack2_resnet.json -- all

unlock: env  ## after a run was killed, cancel its jobs of SLURM and release its lock; then give the same command again
	@sh profiles/slurm/cancel_jobs.sh
	$(BIN)/snakemake --unlock

# Tests that need a run of the workflow find this one.
test: env  ## all tests, after a small run of the whole workflow
	$(SNAKEMAKE) --configfile config/smoke.yaml -- all
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

check: env  ## in seconds: format, types, imports, and the fast tests of what has changed since the main branch
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -n $(CORES) -q -m "not slow and not workflow" $$($(BIN)/python tests/changed.py)

lint: env  ## what .ci/run checks before the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/snakemake --lint

format: env  ## put the code in the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

docs: env  ## the documentation site, into results/site; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

lock:  ## resolve requirements.lock from pyproject.toml; UPGRADE=--upgrade for the newest versions
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra workflow --extra clusters --extra onnx --group dev --group docs --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header $(addprefix --no-emit-package ,$(UNLOCKED)) $(UPGRADE) --quiet --output-file requirements.lock

clean:  ## remove the small runs; results/paper stays
	rm -rf results/quick results/smoke
