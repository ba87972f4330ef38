from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import WandbLogger
from PIL import Image

from callbacks.wandb_media import WandbMedia, draw_scatter
from records.predictions import Prediction
from tests.callbacks.tiny_task import COUNT, TinyData, TinyTask, trainer
from tests.tiny_kvq import write_clip

torch.set_num_threads(1)


class FakeRun:
    """Stands in for a W&B run and keeps what is logged, pictures included."""

    def __init__(self) -> None:
        self.logged: list[dict] = []
        self.config: dict = {}
        self.summary: dict = {}
        self.define_metric = lambda *_, **__: None
        self.name, self.id = "fake", "fake"

    def log(self, values: dict) -> None:
        read = {}
        for name, value in values.items():
            images = value if isinstance(value, list) else [value]
            if all(hasattr(image, "image") for image in images):
                read[name] = [(image.image.copy(), image._caption) for image in images]
            else:
                read[name] = value
        self.logged.append(read)

    @property
    def media(self) -> list[dict]:
        return [values for values in self.logged if any(name.endswith("/predictions") for name in values)]


class FakeLogger(WandbLogger):
    def __init__(self) -> None:
        self.fake = FakeRun()
        super().__init__(experiment=self.fake)

    @property
    def experiment(self) -> FakeRun:
        return self.fake

    def log_hyperparams(self, params: dict) -> None:
        self.fake.config |= params


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips 0 to 6; the last is damaged, clip 7 is missing."""
    root = tmp_path_factory.mktemp("data")
    for index in range(COUNT - 1):
        size = (48, 64) if index % 2 else (64, 48)
        write_clip(root / f"val/{index:04d}.mp4", f"c{index}", 0, *size, 4)
    (root / "val/0006.mp4").write_bytes(b"no video")
    return root


def fit(folder: Path, root: Path, scores: list[float], media: WandbMedia | None = None, **options) -> FakeRun:
    logger = FakeLogger()
    run = trainer(folder, media or WandbMedia(), logger=logger, max_epochs=len(scores), **options)
    run.fit(TinyTask(scores), TinyData(root))
    return logger.fake


def test_table_scatter_and_clips_of_every_best_validation(tmp_path: Path, data_root: Path) -> None:
    run = fit(tmp_path, data_root, [0.2, 0.1, 0.9])
    assert len(run.media) == 2  # the second was no better
    assert [values["trainer/global_step"] for values in run.media] == [3, 11]
    first = run.media[0]
    assert set(first) == {f"val/{name}" for name in ("predictions", "scatter", "worst_clips", "best_clips")} | {
        "trainer/global_step"
    }
    table = first["val/predictions"]
    assert table.columns == ["id", "prediction", "label", "error", "content"]
    gaps = [abs(row[3]) for row in table.data]
    assert len(gaps) == COUNT and gaps == sorted(gaps, reverse=True)
    assert all(row[1] - row[2] == pytest.approx(row[3]) for row in table.data)
    assert run.config["split_hash"] == "0123abcd"


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


def test_the_size_budget_of_a_run_holds(tmp_path: Path, data_root: Path) -> None:
    media = WandbMedia(max_mb=0.03)
    with pytest.warns(UserWarning, match="used up 0.03 MB") as told:
        run = fit(tmp_path, data_root, [0.1, 0.2, 0.3, 0.4], media)
    assert len([w for w in told if "used up" in str(w.message)]) == 1
    assert 1 <= len(run.media) < 4
    assert 0 < media.used <= 0.03


def test_a_failure_is_a_warning_and_training_goes_on(tmp_path: Path, data_root: Path) -> None:
    logger = FakeLogger()

    def fail(values: dict) -> None:
        if "val/predictions" in values:
            raise RuntimeError("the server burnt down")

    logger.fake.log = fail  # type: ignore[method-assign]
    run = trainer(tmp_path, WandbMedia(), logger=logger, max_epochs=2)
    with pytest.warns(UserWarning, match="W&B media were not logged: RuntimeError: the server burnt down"):
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


def test_a_resumed_run_remembers_best_and_size(tmp_path: Path, data_root: Path) -> None:
    media = WandbMedia()
    fit(tmp_path, data_root, [0.8], media)
    again = WandbMedia()
    again.load_state_dict(media.state_dict())
    assert (again.best, again.used) == (pytest.approx(0.8), media.used) and media.used > 0


def test_scatter_leaves_out_what_is_not_finite(tmp_path: Path) -> None:
    rows = [Prediction(str(index), float(index % 5), index / 2) for index in range(10)]
    rows.append(Prediction("bad", float("nan"), 1.0))
    assert draw_scatter(rows, tmp_path / "a.png")
    assert draw_scatter(rows[-1:], tmp_path / "b.png")
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    red = (picture[..., 0] > 180) & (picture[..., 1] < 90) & (picture[..., 2] < 90)
    assert picture.shape == (500, 500, 3) and red.sum() > 100  # the fitted curve is there
