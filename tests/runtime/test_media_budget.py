from collections.abc import Iterator
from pathlib import Path

import pytest

from records.files import read_json, write_json
from runtime.media_budget import MediaBudget


def media(*sizes: int) -> Iterator[tuple[str, int, int]]:
    for place, size in enumerate(sizes):
        yield f"m{place}", place, size


def test_what_fits_is_taken_in_order_and_nothing_after_what_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    budget = MediaBudget(None, 1e-3)
    assert budget.fitting(media(400, 600)) == {"m0": 0, "m1": 1}
    assert not capsys.readouterr().err
    assert budget.fitting(media(1, 0)) == {} and budget.full
    assert budget.fitting(media(0)) == {}
    assert capsys.readouterr().err.count("used up their 0.001 MB (--wandb.media_mb)") == 1


def test_no_medium_is_made_once_the_budget_is_used_up() -> None:
    made = []

    def counted() -> Iterator[tuple[str, int, int]]:
        for place in range(9):
            made.append(place)
            yield str(place), place, 600

    budget = MediaBudget(None, 1e-3)
    budget.fitting(counted())
    budget.fitting(counted())
    assert made == [0, 1]


def test_every_start_of_a_run_counts_and_its_id_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "wandb.json"
    write_json(file, {"id": "x1"})
    for _ in range(3):
        assert MediaBudget(file, 1e-3).fitting(media(300))
    assert read_json(file) == {"id": "x1", "media_bytes": 900}
    assert MediaBudget(file, 1e-3).fitting(media(300)) == {}
    assert MediaBudget(file, 2e-3).fitting(media(300))  # a larger one may be given


@pytest.mark.parametrize("content", ["torn", "[]"])
def test_a_damaged_count_begins_anew(tmp_path: Path, content: str) -> None:
    file = tmp_path / "wandb.json"
    file.write_text(content)
    assert MediaBudget(file).fitting(media(10)) and read_json(file) == {"media_bytes": 10}
