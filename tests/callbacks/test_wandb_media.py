from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from callbacks.wandb_media import WandbMedia, draw_scatter
from records.predictions import Prediction
from runtime.media_budget import MediaBudget
from runtime.wandb_logger import DashboardLogger
from tests.callbacks.tiny_task import COUNT, TinyData, TinyTask, trainer
from tests.tiny_kvq import write_clip

torch.set_num_threads(1)


class FakeRun:
    """Stands in for a W&B run and keeps what is logged, pictures included."""

    def __init__(self) -> None:
        self.logged: list[dict] = []
        self.summary: dict = {}
        self.config = SimpleNamespace(update=lambda *_, **__: None)
        self.define_metric = self.finish = lambda *_, **__: None
        self.name, self.id = "fake", "fake"

    def log(self, values: dict) -> None:
        read = {}
        for name, value in values.items():
            images = value if isinstance(value, list) else [value]
            if all(hasattr(image, "image") for image in images):
                read[name] = [(image.image.copy(), image._caption) for image in images]
            else:
                read[name] = value
                for row in getattr(value, "data", []):
                    row[:] = [cell.image.size if hasattr(cell, "image") else cell for cell in row]
        self.logged.append(read)

    @property
    def media(self) -> list[dict]:
        return [values for values in self.logged if any(name.endswith("/predictions") for name in values)]


class FakeLogger(DashboardLogger):
    def __init__(self, max_mb: float = 50.0) -> None:
        self.fake = FakeRun()
        super().__init__(experiment=self.fake, budget=MediaBudget(None, max_mb))

    @property
    def experiment(self) -> FakeRun:
        return self.fake


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips 0 to 6; the last is damaged, clip 7 is missing."""
    root = tmp_path_factory.mktemp("data")
    for index in range(COUNT - 1):
        size = (48, 64) if index % 2 else (64, 48)
        write_clip(root / f"val/{index:04d}.mp4", f"c{index}", 0, *size, 4)
    (root / "val/0006.mp4").write_bytes(b"no video")
    return root


def fit(
    folder: Path, root: Path, scores: list[float], media: WandbMedia | None = None, max_mb: float = 50.0, **options
) -> FakeRun:
    logger = FakeLogger(max_mb)
    run = trainer(folder, media or WandbMedia(), logger=logger, max_epochs=len(scores), **options)
    run.fit(TinyTask(scores), TinyData(root))
    return logger.fake


def test_table_scatter_and_clips_of_every_best_validation(tmp_path: Path, data_root: Path) -> None:
    run = fit(tmp_path, data_root, [0.2, 0.1, 0.9])
    assert len(run.media) == 2  # the second was no better
    assert [values["trainer/global_step"] for values in run.media] == [3, 11]
    first = run.media[0]
    assert set(first) == {
        f"val/{name}" for name in ("predictions", "scatter", "worst_clips", "best_clips", "clips")
    } | {"trainer/global_step"}
    table = first["val/predictions"]
    assert table.columns == ["id", "prediction", "label", "error", "content"]
    gaps = [abs(row[3]) for row in table.data]
    assert len(gaps) == COUNT and gaps == sorted(gaps, reverse=True)
    assert all(row[1] - row[2] == pytest.approx(row[3]) for row in table.data)
    clips = first["val/clips"]
    assert clips.columns == ["shown", "frame", *table.columns]
    shown = [
        [name, caption.partition(":")[0]] for name in ("worst", "best") for _, caption in first[f"val/{name}_clips"]
    ]
    assert [[row[0], row[2]] for row in clips.data] == shown and len(shown) >= 5
    by_id = {row[0]: row for row in table.data}
    assert all(row[1] == (320, 320) and row[2:] == by_id[row[2]] for row in clips.data)


def test_clips_are_shown_and_broken_ones_left_out(tmp_path: Path, data_root: Path) -> None:
    run = fit(tmp_path, data_root, [0.2], WandbMedia(thumbnails=COUNT))
    shown = {caption.partition(":")[0] for _, caption in run.media[0]["val/worst_clips"]}
    assert shown == {f"val/{index:04d}.mp4" for index in range(COUNT - 2)}
    assert {image.size for image, _ in run.media[0]["val/worst_clips"]} == {(320, 320)}
    assert all(np.asarray(image).std() > 10 for image, _ in run.media[0]["val/worst_clips"])
    assert "label 1.00, predicted 1.80" in next(c for _, c in run.media[0]["val/best_clips"] if "0000" in c)


def test_rows_of_the_table_are_limited_to_the_largest_errors(tmp_path: Path, data_root: Path) -> None:
    run = fit(tmp_path, data_root, [0.2], WandbMedia(max_rows=2))
    whole = fit(tmp_path, data_root, [0.2])
    assert run.media[0]["val/predictions"].data == whole.media[0]["val/predictions"].data[:2]


def test_what_does_not_fit_is_left_out_and_said_once(tmp_path: Path, data_root: Path, capsys) -> None:
    run = fit(tmp_path, data_root, [0.1, 0.2, 0.3, 0.4], max_mb=0.03)
    assert 1 <= len(run.media) < 4
    assert capsys.readouterr().err.count("W&B: tables and pictures have used up their 0.03 MB") == 1


def test_a_failure_is_a_warning_and_training_goes_on(tmp_path: Path, data_root: Path) -> None:
    class Broken(WandbMedia):
        def media(self, *_):
            yield "half", 1, 10
            raise RuntimeError("no picture can be drawn")

    run = trainer(tmp_path, Broken(), logger=FakeLogger(), max_epochs=2)
    with pytest.warns(UserWarning, match="W&B media were not logged: RuntimeError: no picture can be drawn"):
        run.fit(TinyTask([0.1, 0.2]), TinyData(data_root))
    assert run.current_epoch == 2


def test_nothing_happens_without_wandb_or_in_a_sanity_check(tmp_path: Path, data_root: Path) -> None:
    trainer(tmp_path, WandbMedia(), max_epochs=1).fit(TinyTask([0.5]), TinyData(data_root))
    run = fit(tmp_path, data_root, [0.5], num_sanity_val_steps=1)
    assert len(run.media) == 1 and len(run.media[0]["val/predictions"].data) == COUNT


def test_a_test_is_logged_under_its_own_name(tmp_path: Path, data_root: Path) -> None:
    logger = FakeLogger()
    trainer(tmp_path, WandbMedia(), logger=logger).test(TinyTask(), TinyData(data_root), verbose=False)
    assert "test/predictions" in logger.fake.media[0] and "test/worst_clips" not in logger.fake.media[0]


def test_a_resumed_run_remembers_its_best(tmp_path: Path, data_root: Path) -> None:
    media = WandbMedia()
    fit(tmp_path, data_root, [0.8], media)
    again = WandbMedia()
    again.load_state_dict(media.state_dict())
    assert again.best == pytest.approx(0.8)
    assert not fit(tmp_path, data_root, [0.7], again).media


def test_scatter_leaves_out_what_is_not_finite(tmp_path: Path) -> None:
    rows = [Prediction(str(index), float(index % 5), index / 2) for index in range(10)]
    rows.append(Prediction("bad", float("nan"), 1.0))
    assert draw_scatter(rows, tmp_path / "a.png")
    assert draw_scatter(rows[-1:], tmp_path / "b.png")
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    red = (picture[..., 0] > 180) & (picture[..., 1] < 90) & (picture[..., 2] < 90)
    assert picture.shape == (500, 500, 3) and red.sum() > 100  # the fitted curve is there
