"""Whatever a file holds, its reader gives a result or one sentence: never a crash, a hang, or a flood of memory."""

from pathlib import Path

import pytest

from tests.fuzz.cases import run_cases
from tests.fuzz.targets import TARGETS

# Cases of `make prove`, in proportion to how much is read in this form and how long a case takes.
MANY = {
    "image": 24_000,
    "video": 8_000,
    "decord": 2_000,
    "tables": 18_000,
    "xlsx": 8_000,
    "parquet": 12_000,
    "json": 8_000,
    "weights": 8_000,
    "checkpoint": 4_000,
    "arrays": 10_000,
    "config": 12_000,
    "sweep": 2_000,
    "study": 2_000,
    "journal": 2_000,
    "parse": 800,
}


def test_every_reader_is_fuzzed() -> None:
    assert MANY.keys() == TARGETS.keys() and sum(MANY.values()) >= 100_000


def test_a_few_broken_files_of_every_kind(tmp_path: Path) -> None:
    names = [name for name in TARGETS if name != "parse"]
    outcome = run_cases(names, tmp_path, 60)
    assert not outcome.faults, outcome.told()
    assert outcome.cases == 60 * len(names)
    assert min(outcome.counts["read"], outcome.counts["refused"]) > 60  # neither all whole nor all hopeless


@pytest.mark.slow
def test_more_broken_files_of_every_kind(tmp_path: Path) -> None:
    names = [name for name in TARGETS if name != "parse"]
    for outcome in (run_cases(names, tmp_path, 125, first=60), run_cases(["parse"], tmp_path, 25)):
        assert not outcome.faults, outcome.told()
        assert outcome.cases in (125 * len(names), 25)


@pytest.mark.prove
@pytest.mark.parametrize("name", MANY)
def test_many_broken_files(name: str, tmp_path: Path, proven) -> None:
    outcome = run_cases([name], tmp_path, MANY[name], first=1000)
    assert not outcome.faults, outcome.told()
    assert outcome.cases == MANY[name]
    proven(f"cases fuzzed: {name}", f"{outcome.cases} ({outcome.counts['read']} read, the others refused)")
