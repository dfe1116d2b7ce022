# Everything runs in .venv, which the first target that needs it creates.
# Another Python: make setup PYTHON=python3.12

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

GPU       ?= $(if $(shell command -v nvidia-smi),any,none)
CPU_INDEX := https://download.pytorch.org/whl/cpu
# From that index alone: parts of two builds do not work together.
ONLY      := PIP_CONFIG_FILE=/dev/null
TORCH     := 'torch>=2.6' 'torchvision>=0.21'

CONFIG ?= mnist
SEEDS  ?= 1

INPUTS ?= 100000

.PHONY: setup demo test check reproduce bench fuzz figures clean

setup: $(STAMP)

# Without a GPU, PyTorch's build for processors: some 200 MB to download instead of 3 GB. Where its
# index is out of reach, the packages of PyPI do as well.
$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@if [ "$(GPU)" = none ]; then \
	  echo "no GPU here: PyTorch for processors (make setup GPU=any takes the usual build)"; \
	  $(ONLY) $(BIN)/pip --isolated install --retries 1 --index-url $(CPU_INDEX) $(TORCH) \
	    || echo "PyTorch's index for processors is out of reach: the usual build instead, 6 GB"; \
	fi
	$(BIN)/pip install --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)        ## images and a table, from nothing to anomalies; needs no download
	$(BIN)/python scripts/demo.py

test: check           ## lint, types, layers, doctests, tests

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto --dist loadfile

reproduce: $(STAMP)   ## the published experiment; SEEDS=5, CONFIG=paper
	$(BIN)/python scripts/reproduce.py --config $(CONFIG) --seeds $(SEEDS)

bench: $(STAMP)       ## speed against the matrix-product rate of this machine
	$(BIN)/python scripts/bench.py

fuzz: $(STAMP)        ## hostile inputs, damaged runs, kills, races, counted; INPUTS=1000000
	$(BIN)/python scripts/reliability.py --inputs $(INPUTS)

figures: $(STAMP)     ## every picture and table of README and docs, from results/ alone
	$(BIN)/python scripts/figures.py
	$(BIN)/python scripts/readme.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache runs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
