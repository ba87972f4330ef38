from types import SimpleNamespace

import pytest

from metrics.mean_interval import mean_interval
from records.image_scores import ImageScore, write_image_scores
from runtime.image_outcome import FILE, ImageOutcome


def table(folder, shift: float = 0.0, count: int = 6) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        ImageScore(
            f"test/{n}.png", "test", "synthetic", f"photo{n // 2}", {"psnr": 20.0 + n + shift, "l1": 0.1 - n / 100}
        )
        for n in range(count)
    ]
    write_image_scores(folder / FILE, [*rows, ImageScore("test/w.png", "test", "wild", "w")])


def outcome(folder, split="test", monitor="val/psnr", mode="max") -> ImageOutcome:
    return ImageOutcome(folder, split, SimpleNamespace(root="data"), monitor, mode)


def test_means_interval_and_worst(tmp_path) -> None:
    table(tmp_path / "e/a-seed0")
    ours = outcome(tmp_path / "e/a-seed0")
    scores = ours.scores()
    assert scores["psnr"] == scores["score"] == pytest.approx(22.5) and scores["n"] == 6
    assert scores["l1"] == pytest.approx(0.075) and 20.5 <= scores["interval"][0] < 22.5 < scores["interval"][1] <= 24.5
    assert ours.worst()[0] == "data/test/0.png  psnr 20.0000"
    assert outcome(tmp_path / "e/a-seed0", monitor="val/l1", mode="min").worst()[0].endswith("l1 0.1000")
    assert "over 6 images" in ours.told(scores, None)["means"]
    assert outcome(tmp_path / "e/a-seed0", split="val").scores() is None


def test_a_change_is_judged_on_the_same_images_only(tmp_path) -> None:
    table(tmp_path / "e/a-seed0", 0.5)
    table(tmp_path / "e/b-seed0")
    table(tmp_path / "e/c-seed0", count=4)
    ours = outcome(tmp_path / "e/a-seed0")
    told = ours.told(ours.scores(), tmp_path / "e/b-seed0")["change"]
    assert told.startswith("+0.5000 to e/b-seed0") and told.endswith("(better)")
    assert "no predictions for the same files" in ours.told(ours.scores(), tmp_path / "e/c-seed0")["change"]
    falling = ImageOutcome(tmp_path / "e/a-seed0", "test", SimpleNamespace(root="d"), "val/psnr", "min")
    assert falling.told(falling.scores(), tmp_path / "e/b-seed0")["change"].endswith("(worse)")


def test_intervals_are_drawn_over_contents() -> None:
    values = [0.0, 0.0, 0.0, 10.0, 10.0, 10.0]
    assert mean_interval(values, list("aaabbb")) == (0.0, 10.0)
    low, high = mean_interval(values, list("abcdef"))
    assert 0 < low < 5 < high < 10
    assert mean_interval(values, ["a"] * 6) is None
