"""Blends and a fusion whose place beside the blends' curve is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.__main__ import main
from records.images import write_image

SIDE, SHARES = 48, (0, 0.5, 1)


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blends err by a slope in one channel that grows with the share; two fusions err by less, and by more."""
    root, random = tmp_path_factory.mktemp("blends"), np.random.default_rng(0)
    for name in ("a-1", "a-2", "b-1", "c-1"):
        truth = random.integers(60, 190, (SIDE, SIDE, 3))
        noise = random.normal(size=truth.shape)
        smooth = np.broadcast_to(truth.mean(axis=(0, 1)), truth.shape)

        def write(system: str, picture: np.ndarray, id: str = name) -> None:
            write_image(root / system / "synthetic" / f"{id}.png", np.clip(np.rint(picture), 0, 255).astype(np.uint8))

        write("truth", truth)
        # More noise, less blur: SSIM rises where L1 falls no more.
        for share in SHARES:
            write(f"blend{share}", truth + (1 - share) * 0.5 * (smooth - truth) + share * 25 * noise)
        write("good", truth + 2 * noise)
        write("bad", truth + 60 * noise)
    pairs = {f"{n}": {"hr": f"synthetic/{n}.png", "name": n[0]} for n in ("a-1", "a-2", "b-1", "c-1")}
    (root / "truth/manifest.json").write_text(json.dumps({"pairs": pairs, "wild": {}}))
    return root


def words(systems: Path, *fusions: str) -> list[str]:
    blends = [f"{share}={systems / f'blend{share}'}" for share in SHARES]
    plain = ["--distortion", "psnr", "l1", "--perception", "ssim"]
    return ["analyse", "blends", "--blend", *blends, "--fusion", *(str(systems / name) for name in fusions),
            "--truth", str(systems / "truth"), *plain]  # fmt: skip


def test_a_fusion_better_in_both_lies_beyond_and_a_worse_one_within(systems: Path, tmp_path: Path) -> None:
    for name, sign in (("good", 1), ("bad", -1)):
        assert main([*words(systems, name, name, name), "--out", str(tmp_path / name)]) == 0
        found = json.loads((tmp_path / name / "figures.json").read_text())
        assert found["photographs"] == 3 and found["images"] == 4
        low, high = sorted((sign * found["beyond_low"], sign * found["beyond_high"]))
        assert 0 < low <= sign * found["beyond"] <= high
        text = (tmp_path / name / "report.md").read_text()
        assert ("lies beyond the curve" if sign > 0 else "lies within the curve") in text
        assert "4 synthetic images of 3 photographs" in text and "(curve.png)" in text
        assert (tmp_path / name / "crops.png").stat().st_size > 1000


def test_a_blend_itself_lies_on_the_curve(systems: Path, tmp_path: Path) -> None:
    assert main([*words(systems, "blend0.5"), "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out/figures.json").read_text())
    assert found["beyond"] == pytest.approx(0, abs=0.01)
    assert "Too few seeds of the fusion (1)" in (tmp_path / "out/report.md").read_text()
