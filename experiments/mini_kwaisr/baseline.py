"""What plain bicubic enlargement reaches on the held-out pairs: the figure that any network should beat."""

from pathlib import Path
from statistics import fmean
from typing import Any

from metrics.mean_interval import mean_interval
from metrics.sr.full_reference import OFFICIAL, psnr, ssim
from models.sr.resample import upsample
from records.images import read_image, to_picture, to_tensor


def bicubic(root: Path, pairs: dict[str, dict[str, Any]], scale: int) -> dict[str, dict[str, Any]]:
    """Score the bicubic enlargement of each held-out split, by the challenge's convention.

    Args:
        root: Folder of the data set.
        pairs: What the manifest tells of the pairs.
        scale: Factor of the sides.

    Returns:
        For ``val`` and ``test``, where they have pairs: ``psnr`` (dB) and ``ssim``, means over the pairs, with
        ``psnr_interval`` and ``ssim_interval`` (95 %, drawing whole photographs; null for one), and
        ``psnr_of_photograph``.
    """
    figures: dict[str, dict[str, Any]] = {}
    for split in ("val", "test"):
        rows = {id: pair for id, pair in pairs.items() if id.startswith(f"{split}/")}
        if not rows:
            continue
        names = [pair["name"] for pair in rows.values()]
        scores: dict[str, list[float]] = {"psnr": [], "ssim": []}
        for id, pair in rows.items():
            large = to_picture(upsample(to_tensor(read_image(root / id))[None], scale)[0])
            hr = read_image(root / pair["hr"])
            scores["psnr"].append(psnr(large, hr, OFFICIAL))
            scores["ssim"].append(ssim(large, hr, OFFICIAL))
        figures[split] = {}
        for metric, values in scores.items():
            figures[split][metric] = fmean(values)
            figures[split][f"{metric}_interval"] = mean_interval(values, names)
        by_name = {name: [v for v, n in zip(scores["psnr"], names, strict=True) if n == name] for name in names}
        figures[split]["psnr_of_photograph"] = {name: fmean(values) for name, values in by_name.items()}
    return figures
