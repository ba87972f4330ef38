import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from callbacks.image_scores import FILE, ImageScoreTable
from callbacks.restored_images import RestoredImages
from lightning_modules.sr_task import SRTask
from metrics.sr.full_reference import psnr, ssim
from records.image_scores import read_image_scores
from records.images import read_image, to_picture


class Distance(nn.Module):
    name = "st-lpips-test"

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x - y).flatten(1).pow(2).mean(1)


class Gain(SRTask):
    """Multiplies what it gets; one gain for each epoch, so that scores rise and fall as dictated."""

    def __init__(self, gains: list[float], **more) -> None:
        super().__init__(nn.Linear(1, 1), optimizer=lambda groups: torch.optim.SGD(groups, lr=0.0), **more)
        self.gains = gains

    def restore(self, batch: dict) -> torch.Tensor:
        gain = self.gains[min(self.current_epoch, len(self.gains) - 1)]
        return nn.functional.interpolate(batch["lr"] * gain, scale_factor=batch["scale"], mode="nearest")

    def training_step(self, batch: dict, index: int) -> torch.Tensor:
        return self.network(torch.ones(1, 1)).sum()


def images(wild: bool = True) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    rows = []
    for place in range(3):
        lr = torch.rand(1, 3, 12, 10, generator=generator).mul(200).round().div(255)
        hr = nn.functional.interpolate(lr, scale_factor=4, mode="nearest")
        rows.append({"id": [f"val/{place}.png"], "lr": lr, "hr": hr, "domain": ["synthetic"], "scale": 4})
    if wild:
        rows.append({"id": ["val/w.png"], "lr": lr, "domain": ["wild"], "scale": 1})
    return [*rows, {"id": []}]


def loader(rows: list[dict]) -> DataLoader:
    return DataLoader(rows, batch_size=None)


def trainer(folder, *callbacks: L.Callback, epochs: int = 1) -> L.Trainer:
    return L.Trainer(
        default_root_dir=folder, accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=list(callbacks),
    )  # fmt: skip


def test_scores_are_those_of_the_saved_pictures(tmp_path) -> None:
    task, rows = Gain([0.9], perceptual=Distance()), images()
    found = trainer(tmp_path, ImageScoreTable()).validate(task, loader(rows), verbose=False)[0]
    assert found["val/psnr"] < 100 and set(found) == {"val/psnr", "val/ssim", "val/l1", "val/st-lpips-test"}
    kept = {row.id: row for row in read_image_scores(tmp_path / FILE)}
    assert set(kept) == {"val/0.png", "val/1.png", "val/2.png", "val/w.png"} and kept["val/w.png"].values == {}
    for row in rows[:3]:
        ours, truth = to_picture(task.restore(row)[0]), to_picture(row["hr"][0])
        values = kept[row["id"][0]].values
        assert values["psnr"] == psnr(ours, truth) and values["ssim"] == ssim(ours, truth)
        assert values["l1"] == pytest.approx(abs(ours.astype(float) - truth).mean() / 255, rel=1e-5)
    assert found["val/psnr"] == pytest.approx(sum(kept[f"val/{n}.png"].values["psnr"] for n in range(3)) / 3)


@pytest.mark.parametrize(("monitor", "mode"), [("psnr", "max"), ("l1", "min"), ("perceptual", "min")])
def test_a_fit_keeps_the_rows_of_its_best_epoch(tmp_path, monitor: str, mode: str) -> None:
    task = Gain([0.7, 0.95, 0.8], monitor=monitor, perceptual=Distance())
    assert task.mode == mode
    table = ImageScoreTable()
    run = trainer(tmp_path, table, epochs=3)
    run.fit(task, loader(images()[:1]), loader(images()))
    name = task.monitor.partition("/")[2]
    values = [row.values[name] for row in read_image_scores(tmp_path / FILE) if name in row.values]
    assert sum(values) / len(values) == pytest.approx(table.best)
    alone = Gain([0.95], monitor=monitor, perceptual=Distance())
    best = trainer(tmp_path / "alone").validate(alone, loader(images()), verbose=False)[0][task.monitor]
    assert table.best == pytest.approx(best)


def test_a_test_leaves_the_rows_of_validation(tmp_path) -> None:
    table = ImageScoreTable()
    trainer(tmp_path, table).validate(Gain([0.9]), loader(images()), verbose=False)
    trainer(tmp_path, table).test(Gain([0.9]), loader(images(wild=False)), verbose=False)
    splits = [row.split for row in read_image_scores(tmp_path / FILE)]
    assert splits.count("val") == 4 and splits.count("test") == 3


def test_predictions_stand_below_the_run_whatever_their_ids(tmp_path) -> None:
    rows = [*images(), {"id": ["../../x.jpg"], "lr": images()[0]["lr"], "domain": ["wild"], "scale": 1}]
    trainer(tmp_path / "run", RestoredImages()).predict(Gain([1.0]), loader(rows), return_predictions=False)
    made = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert made == [f"run/restored/{name}.png" for name in ("val/0", "val/1", "val/2", "val/w", "x")]
    assert (read_image(tmp_path / "run/restored/val/1.png") == to_picture(rows[1]["hr"][0])).all()


def test_a_perceptual_monitor_needs_a_distance() -> None:
    with pytest.raises(ValueError, match=r"model\.init_args\.perceptual"):
        Gain([1.0], monitor="perceptual")
