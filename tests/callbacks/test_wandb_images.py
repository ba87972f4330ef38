import math
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import Logger
from PIL import Image

from callbacks.wandb_images import WandbImages, middles
from records.images import to_picture
from tests.lightning_modules.test_sr_task import Distance, Gain, images, loader, trainer

torch.set_num_threads(1)


class Dashboard(Logger):
    """Keeps what it is given, pictures as arrays."""

    name = version = "fake"

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[dict] = []

    def log_media(self, media, step) -> None:
        found: dict = {"step": step}
        for name, value, size in media:
            assert size > 100
            found[name] = value
            for row in getattr(value, "data", []):
                row[:] = [cell.image.size if hasattr(cell, "image") else cell for cell in row]
            if isinstance(value, list):
                found[name] = [(np.asarray(Image.open(each._path)), each._caption) for each in value]
        self.logged.append(found)

    def log_metrics(self, metrics, step=None) -> None:
        pass

    log_hyperparams = log_metrics


def fit(folder: Path, gains: list[float], **options) -> list[dict]:
    dashboard = Dashboard()
    run = trainer(folder, WandbImages(), epochs=len(gains))
    run.loggers = [dashboard]
    run.fit(Gain(gains, pictures=4, **options), loader(images()[:1]), loader(images()))
    return dashboard.logged


@pytest.mark.parametrize("monitor", ["psnr", "l1"])
def test_every_best_validation_shows_worst_scores_first_and_images_beside_the_truth(tmp_path, monitor: str) -> None:
    logged = fit(tmp_path, [0.7, 0.95, 0.8], monitor=monitor, perceptual=Distance())
    assert [each["step"] for each in logged] == [0, 1]  # the third was no better
    scores, compared = logged[1]["val/image_scores"], logged[1]["val/images"]
    figures = ["l1", "psnr", "ssim", "st-lpips-test"]
    assert scores.columns == ["id", "content", "domain", *figures]
    assert compared.columns == ["id", "input", "restored", "truth", *figures]
    values = [row[scores.columns.index(monitor)] for row in scores.data]
    assert values[:3] == sorted(values[:3], reverse=monitor == "l1") and values[3] is None
    assert [row[0] for row in compared.data] == ["val/0.png", "val/1.png", "val/2.png", "val/w.png"]
    by_id = {row[0]: row[3:] for row in scores.data}
    for row in compared.data[:3]:
        assert row[1:4] == [(40, 48)] * 3
        assert row[4:] == by_id[row[0]] and all(map(math.isfinite, row[4:]))
    assert compared.data[3][3] is None and compared.data[3][4:] == [None] * 4


def test_the_panel_shows_what_was_put_in_came_out_and_is_true(tmp_path) -> None:
    ((picture, caption), *_, (wild, last)) = fit(tmp_path, [0.9])[0]["val/restored"]
    batch = images()[0]
    truth = to_picture(batch["hr"][0])
    assert caption == "val/0.png" and last == "val/w.png" and wild.shape == (12, 20, 3)
    assert (picture[:, 80:] == truth).all() and (picture[:, :40] == truth).all()
    assert (picture[:, 40:80] == to_picture(batch["hr"][0] * 0.9)).all()


def test_the_middle_of_large_images_is_shown() -> None:
    hr = torch.rand(3, 48, 40)
    small, large, true = middles([hr[:, ::4, ::4], hr, hr], side=16)
    assert small.shape == (16, 16, 3) and (large == true).all()
    assert (large == to_picture(hr[:, 16:32, 12:28])).all()
    assert (small == np.repeat(np.repeat(to_picture(hr[:, ::4, ::4]), 4, 0), 4, 1)[16:32, 12:28]).all()
