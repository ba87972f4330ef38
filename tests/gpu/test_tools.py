"""Degradation, enhancement and the budget's figure on an accelerator."""

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch

from datamodules.image.degradation import Degradation
from datamodules.image.degradation.degradation import degrade
from datamodules.image.degradation.device import DeviceDegradation
from experiments.__main__ import main
from metrics.efficiency import efficiency
from models.sr import tile_runner
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork
from models.vqa.timm_frames import TimmFrames
from records.images import read_image, to_picture, to_tensor, write_image
from tests.datamodules.image.degradation.pictures import picture, psnr
from tests.experiments.enhance_checkpoints import diffusion_checkpoint
from tests.gpu.accelerators import GPU, cpu, device

torch.set_num_threads(1)


@pytest.mark.parametrize("accelerator", [GPU, cpu(pytest.mark.prove)])
@pytest.mark.parametrize(("preset", "middle", "lowest"), [("pisasr", 43, 37), ("realesrgan", 41, 31)])
def test_the_degradation_follows_a_plan_as_the_worker_does(
    accelerator: str, preset: str, middle: float, lowest: float, proven: Callable[[str, str], None]
) -> None:
    degradation, size = Degradation(preset), (128, 128)
    pictures = [picture(*size, seed) for seed in range(40)]
    plans = [degradation.plan(0, 0, str(seed), size) for seed in range(40)]
    hr = torch.stack([to_tensor(one) for one in pictures]).to(device(accelerator))
    low = DeviceDegradation().apply(plans, hr)
    assert low.device == hr.device
    likeness = [psnr(to_picture(one), degrade(plan, two)) for one, plan, two in zip(low, plans, pictures, strict=True)]
    # docs/degradation.md states these bounds in whole dB; the lowest of forty moves with the last bit of a cosine.
    assert median(likeness) > middle - 0.5 and min(likeness) > lowest - 1
    figure = f"median {median(likeness):.1f} dB, lowest {min(likeness):.1f} dB, of {len(plans)} plans at 128x128"
    proven(f"degradation by torch on the {device(accelerator).type}, {preset}", figure)


@contextmanager
def short_of_memory(accelerator: str, peak: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it a device has less memory than ``peak``; a CPU says so of tiles of more than 32 latents."""
    if accelerator == "gpu":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(0.5 * peak / torch.cuda.get_device_properties(0).total_memory)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        return
    own = tile_runner.tiled

    def limited(function: object, inputs: object, *, tile: int, **more: object) -> object:
        if tile > 32 and more["ratio"] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return own(function, inputs, tile=tile, **more)

    with monkeypatch.context() as patch:
        patch.setattr(tile_runner, "tiled", limited)
        yield


@pytest.mark.parametrize("accelerator", [GPU, cpu(pytest.mark.slow)])
def test_a_picture_for_which_memory_does_not_suffice_is_restored_in_smaller_tiles(
    accelerator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    side = 192 if accelerator == "gpu" else 80
    write_image(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (side, side + 8, 3), dtype=np.uint8))
    diffusion_checkpoint(tmp_path / "best.ckpt")
    where = str(device(accelerator))

    def enhance(out: str) -> int:
        made = ("--checkpoint", tmp_path / "best.ckpt", "--device", where, "--out", tmp_path / out)
        return main(["enhance", *map(str, (tmp_path / "a.png", *made))])

    if accelerator == "gpu":
        torch.cuda.reset_peak_memory_stats()
    assert enhance("whole") == 0
    assert "out of memory" not in capsys.readouterr().out
    peak = torch.cuda.max_memory_allocated() if accelerator == "gpu" else 0
    with short_of_memory(accelerator, peak, monkeypatch):
        assert enhance("cut") == 0
    out = capsys.readouterr().out
    assert "note: out of memory: tiles of the" in out, out
    (row,) = json.loads((tmp_path / "cut" / "manifest.json").read_text())["images"]
    assert any(stage["tile"] for stage in row["tiles"].values())
    whole, cut = (read_image(tmp_path / name / "a.png") for name in ("whole", "cut"))
    assert whole.shape == cut.shape == (4 * side, 4 * (side + 8), 3)
    # Norms see a tile in place of the picture, so the two are alike and not equal.
    assert np.abs(whole.astype(float) - cut).mean() < 16


@pytest.mark.parametrize("accelerator", [GPU, cpu(pytest.mark.slow)])
def test_the_cost_of_a_network_does_not_depend_on_where_it_lies(accelerator: str) -> None:
    network, shapes = VQANetwork({"frames": TimmFrames("test_efficientnet")}, MLPHead(8)), {"frames": (2, 3, 32, 32)}
    wanted = efficiency(network, shapes)
    placed = network.to(device(accelerator))
    assert efficiency(placed, shapes) == wanted and wanted["gmacs"] > 0
    assert {value.device.type for value in placed.state_dict().values()} == {device(accelerator).type}
