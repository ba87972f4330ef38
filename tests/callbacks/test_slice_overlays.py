import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import Logger
from PIL import Image

from callbacks.slice_overlays import SliceOverlays
from datamodules.kvq import KVQDataModule
from datamodules.video.samplers import Uniform
from datamodules.video.views.key_frames import KeyFrames
from datamodules.video.views.slices import DensitySlices
from records.errors import UserError
from records.labels import Label
from tests.callbacks.tiny_task import TinyData, TinyTask, trainer
from tests.tiny_kvq import make_tiny_kvq

torch.set_num_threads(1)


class SlicedData(TinyData):
    """Data whose view gives grey pictures, and counts how often it is asked."""

    def __init__(self, root: Path, ids: list[str] | None = None) -> None:
        super().__init__(root)
        self.views = {"slices": DensitySlices(Uniform(1), tiles=1, size=8), "frames": KeyFrames(Uniform(1), 8)}
        self.ids, self.asked = ids, []

    def labels(self, split: str) -> list[Label]:
        return super().labels(split) if self.ids is None else [Label(id, 1.0, "c", split) for id in self.ids]

    def overlay(self, view: str, id: str) -> tuple[np.ndarray, float]:
        assert view == "slices"
        self.asked.append(id)
        if "broken" in id:
            raise UserError("not a video", where=id)
        return np.full((12, 16, 3), len(self.asked), np.uint8), len(self.asked) / 10


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "slices/slices.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_pictures_of_the_first_validation_of_a_fit(tmp_path: Path) -> None:
    data = SlicedData(tmp_path)
    run = trainer(tmp_path, SliceOverlays(count=4), max_epochs=3, num_sanity_val_steps=1)
    run.fit(TinyTask([0.1, 0.2, 0.3]), data)
    assert data.asked == [f"val/{index:04d}.mp4" for index in (0, 2, 4, 6)]
    rows = table(tmp_path)
    assert [row["filename"] for row in rows] == data.asked
    assert [float(row["kept_share"]) for row in rows] == [0.1, 0.2, 0.3, 0.4]
    assert sorted(path.name for path in (tmp_path / "slices").glob("*.png")) == [row["picture"] for row in rows]
    for number, row in enumerate(rows, 1):
        assert (np.asarray(Image.open(tmp_path / "slices" / row["picture"])) == number).all()


def test_every_validate_writes_them_anew(tmp_path: Path) -> None:
    for ids in (["a.mp4", "b.mp4"], ["c.mp4"]):
        trainer(tmp_path, SliceOverlays()).validate(TinyTask(), SlicedData(tmp_path, ids), verbose=False)
    assert [row["filename"] for row in table(tmp_path)] == ["c.mp4"]
    assert [path.name for path in (tmp_path / "slices").glob("*.png")] == ["000-c.mp4.png"]


def test_no_id_leaves_the_folder(tmp_path: Path) -> None:
    ids = [
        "../../up.mp4",
        "/etc/passwd",
        "..",
        ".hidden",
        "a/b c?.mp4",
        "a/b_c_.mp4",
        "ü" * 300 + "/x" * 200,
        "C:\\x\\y",
    ]
    folder = tmp_path / "run"
    trainer(folder, SliceOverlays()).validate(TinyTask(), SlicedData(tmp_path, ids), verbose=False)
    rows = table(folder)
    assert [row["filename"] for row in rows] == ids
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    assert written == {f"run/slices/{row['picture']}" for row in rows} and len(written) == len(ids)
    assert not any(name.rpartition("/")[2].startswith(".") or set(name) & set(" ?\\:") for name in written)


def test_a_clip_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    data = SlicedData(tmp_path, ["a.mp4", "broken.mp4", "c.mp4"])
    with pytest.warns(UserWarning, match=r"no picture of its slices: broken.mp4: not a video"):
        trainer(tmp_path, SliceOverlays()).validate(TinyTask(), data, verbose=False)
    assert [row["filename"] for row in table(tmp_path)] == ["a.mp4", "c.mp4"]


def test_a_resumed_fit_does_not_write_them_again(tmp_path: Path) -> None:
    first = SliceOverlays()
    trainer(tmp_path, first, max_epochs=1).fit(TinyTask([0.5]), SlicedData(tmp_path))
    again, data = SliceOverlays(), SlicedData(tmp_path)
    again.load_state_dict(first.state_dict())
    trainer(tmp_path, again, max_epochs=1).fit(TinyTask([0.5]), data)
    assert data.asked == []


@pytest.mark.parametrize("view", ["frames", "nothing"])
def test_a_view_without_slices_is_refused_before_the_fit(tmp_path: Path, view: str) -> None:
    with pytest.raises(UserError, match=f"no view '{view}' that cuts slices; name slices"):
        trainer(tmp_path, SliceOverlays(view), max_epochs=1).fit(TinyTask(), SlicedData(tmp_path))


def test_wandb_shows_them_and_cannot_stop_a_run(tmp_path: Path) -> None:
    logged: list[dict] = []

    class Dashboard(Logger):
        name = version = "fake"

        def log_media(self, media, step) -> None:
            logged.append({name: value for name, value, _ in media})
            if len(logged) > 1:
                raise RuntimeError("the server burnt down")

        def log_metrics(self, metrics, step=None) -> None:
            pass

        log_hyperparams = log_metrics

    run = trainer(tmp_path, SliceOverlays(count=2), logger=Dashboard())
    run.validate(TinyTask(), SlicedData(tmp_path), verbose=False)
    assert [image._caption for image in logged[0]["val/slices"]] == [
        "val/0000.mp4: 10% of the tiles kept",
        "val/0004.mp4: 20% of the tiles kept",
    ]
    with pytest.warns(UserWarning, match="W&B media were not logged: RuntimeError: the server burnt down"):
        run.validate(TinyTask(), SlicedData(tmp_path), verbose=False)


def test_the_data_module_gives_the_tiles_of_its_own_view(tmp_path: Path) -> None:
    root = make_tiny_kvq(tmp_path / "data", 1, val=1)
    (root / "val/0002.mp4").write_bytes(b"")
    view = DensitySlices(Uniform(3), tiles=2, size=16, threshold=0.0)
    data = KVQDataModule(
        str(root), {"tiles": view, "frames": KeyFrames(Uniform(1), 16)}, num_workers=0, eval_batch_size=1
    )
    with pytest.warns(UserWarning, match="the file is empty"):
        trainer(tmp_path / "run", SliceOverlays("tiles")).validate(TinyTask(), data, verbose=False)
    rows = table(tmp_path / "run")
    assert [row["filename"] for row in rows] == [f"val/{index:04d}.mp4" for index in (1, 3, 4, 5, 6, 7)]
    assert {float(row["kept_share"]) for row in rows} == {1.0}
    assert Image.open(tmp_path / "run/slices" / rows[0]["picture"]).size == (64, 48)
    with pytest.raises(UserError, match=r"data.init_args.views.frames: KeyFrames cuts no slices"):
        data.overlay("frames", "val/0001.mp4")
