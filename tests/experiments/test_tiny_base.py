import json
from pathlib import Path

import numpy as np
import pytest
import torch

from records.images import write_image
from tests.command import ROOT, experiments

FEW = ("--crops", 8, "--vae-steps", 3, "--unet-steps", 3)


def photographs(root: Path) -> Path:
    random = np.random.default_rng(0)
    for folder, count in (("train/hr", 2), ("val/synthetic/hr", 1)):
        for place in range(count):
            rough = random.integers(0, 256, (20, 20, 3)).astype(np.uint8)
            write_image(root / folder / f"{place}.png", rough.repeat(8, 0).repeat(8, 1))
    return root


@pytest.mark.slow
def test_a_base_is_made_once_and_the_same_each_time(tmp_path: Path) -> None:
    data = photographs(tmp_path / "data")
    for name in ("one", "two"):
        made = experiments("prepare", "tiny-base", "--root", name, "--data", data, *FEW, cwd=tmp_path)
        assert made.returncode == 0, made.stderr
    facts = [json.loads((tmp_path / name / "facts.json").read_text()) for name in ("one", "two")]
    assert facts[0]["sha256"] == facts[1]["sha256"] and len(facts[0]["sha256"]) == 3
    again = experiments("prepare", "tiny-base", "--root", "one", "--data", data, *FEW, cwd=tmp_path)
    assert again.returncode == 0 and "nothing to do" in again.stdout
    other = experiments("prepare", "tiny-base", "--root", "one", "--data", data, *FEW, "--seed", 1, cwd=tmp_path)
    assert other.returncode == 2 and "seed 0 instead of 1" in other.stderr
    # What came of it is a base like any other.
    from models.sr.backbone import DiffusionBackbone

    base = DiffusionBackbone(str(tmp_path / "one"))
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    assert base.factor == 4 and base.decode(base.encode(x)).shape == x.shape


def test_a_base_needs_photographs(tmp_path: Path) -> None:
    made = experiments("prepare", "tiny-base", "--root", "base", "--data", tmp_path, cwd=tmp_path)
    assert made.returncode == 2 and "prepare mini-kwaisr" in made.stderr and not (tmp_path / "base").exists()


def test_the_shipped_base_is_small_codes_well_and_tells_its_prompts_apart() -> None:
    from models.sr.backbone import DiffusionBackbone

    folder = ROOT / "assets/tiny-sr"
    facts = json.loads((folder / "facts.json").read_text())
    assert all((folder / name).stat().st_size <= 5_000_000 for name in facts["sha256"])
    assert facts["reconstruction_psnr"] >= 32
    base = DiffusionBackbone("package:tiny-sr")
    generator = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.avg_pool2d(torch.rand(1, 3, 68, 68, generator=generator), 5, stride=1)
    z = base.encode(smooth * 2 - 1)
    noisy = 0.7 * z + 0.7 * torch.randn(z.shape, generator=generator)
    t = torch.tensor([250])
    with torch.no_grad():
        said = [base.unet(noisy, t, base.prompt(kind)).sample for kind in ("positive", "negative")]
    gap = (said[0] - said[1]).pow(2).mean().sqrt() / said[0].std()
    assert gap > 0.02
