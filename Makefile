# Every target does its own set-up in .venv; nothing else on the machine is touched.
PYTHON ?= python3
BIN := .venv/bin
# One thread a process: data workers and ranks multiply processes, threads only fight over the cores.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test slow prove lint bench docs setup clean
setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: setup
	$(BIN)/python -m pytest -q

slow: setup
	$(BIN)/python -m pytest -q -m slow

prove: setup
	$(BIN)/python -m pytest -q -m prove

clean:
	rm -rf .venv build *.egg-info
