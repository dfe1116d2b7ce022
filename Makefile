# Everything runs in .venv, which the first target that needs it creates.
# Another Python: make setup PYTHON=python3.12

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

CONFIG ?= mnist
SEEDS  ?= 1

.PHONY: setup demo test check reproduce bench figures clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
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

figures: $(STAMP)     ## every picture and table of README and docs, from results/ alone
	$(BIN)/python scripts/figures.py
	$(BIN)/python scripts/readme.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache runs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
