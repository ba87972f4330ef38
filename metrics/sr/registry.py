"""Every metric by name: what it needs, which pictures it looks at, and how to bring it where it is missing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.sr.full_reference import OFFICIAL, Convention, l1, ms_ssim, psnr, ssim
from metrics.sr.niqe import NIQEModel, niqe
from metrics.sr.piqe import piqe

Picture = NDArray[np.uint8]
Score = Callable[[Picture, Picture | None], float]


class MetricUnavailable(Exception):
    """A metric cannot be computed here; the message says what is missing and the three ways out."""

    def __init__(self, name: str, what: str, ways: str) -> None:
        super().__init__(f"{name}: {what}; {ways}, or leave it out of --metrics")
        self.name = name


@dataclass(frozen=True)
class Metric:
    """What is known of a metric before it is built.

    Attributes:
        name: Key in results files.
        title: Name in tables.
        direction: Which way is better.
        needs_ref: Whether it compares with an original.
        split: Pictures it looks at; the challenge takes the first kind from the synthetic and the second from the
            wild ones.
        requires: What brings that which has to be there beside this project; empty for those that always work.
    """

    name: str
    title: str
    direction: Literal["higher", "lower"]
    needs_ref: bool
    split: Literal["synthetic", "wild", "all"]
    requires: str = ""


METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR, dB", "higher", True, "synthetic"),
        Metric("ssim", "SSIM", "higher", True, "synthetic"),
        Metric("lpips", "LPIPS, alex", "lower", True, "synthetic", "pip install pyiqa"),
        Metric("musiq", "MUSIQ", "higher", False, "wild", "pip install pyiqa"),
        Metric("maniqa", "MANIQA", "higher", False, "wild", "pip install pyiqa"),
        Metric("clipiqa", "CLIPIQA", "higher", False, "wild", "pip install pyiqa"),
        Metric("piqe", "PIQE", "lower", False, "all"),
        Metric("niqe", "NIQE", "lower", False, "all", "--fit-niqe FOLDER"),
        Metric("st_lpips", "ST-LPIPS, alex", "lower", True, "synthetic", "pip install --no-deps stlpips-pytorch"),
        Metric("ms_ssim", "MS-SSIM", "higher", True, "synthetic"),
        Metric("l1", "L1", "lower", True, "synthetic"),
    )
}
DEFAULT = ("psnr", "ssim", "lpips", "musiq", "maniqa", "clipiqa", "piqe", "niqe", "st_lpips")


@dataclass(frozen=True)
class Sources:
    """What metrics are built from.

    Attributes:
        convention: What PSNR, SSIM and MS-SSIM compare.
        niqe: A fitted model.
        weights: Name of a metric to its local checkpoint.
        distances: Name to a builder of a learned distance from its checkpoint, for those that stand outside this
            package; it raises FileNotFoundError, ImportError or ValueError where something is missing.
        allow_download: Whether weights may be fetched.
    """

    convention: Convention = OFFICIAL
    niqe: NIQEModel | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    distances: Mapping[str, Callable[[Path | None], Score]] = field(default_factory=dict)
    allow_download: bool = False


@dataclass(frozen=True)
class Scorer:
    """A metric ready to be used.

    Attributes:
        metric: What it is.
        score: Of the picture judged and the original (None without one), uint8 (height, width, 3) each.
        weights_sha256: Of its learned weights; empty without any.
    """

    metric: Metric
    score: Score
    weights_sha256: str = ""


def build(name: str, sources: Sources) -> Scorer:
    """Build a metric by name.

    Raises:
        MetricUnavailable: Something it needs is missing.
        ValueError: No metric has this name.
    """
    if name not in METRICS:
        raise ValueError(f"no metric is named {name!r}; there are {', '.join(METRICS)}")
    metric, convention = METRICS[name], sources.convention
    if name in ("psnr", "ssim", "ms_ssim"):
        compare = {"psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim}[name]
        return Scorer(metric, lambda sr, hr: compare(sr, _there(hr), convention))
    if name == "l1":
        return Scorer(metric, lambda sr, hr: l1(sr, _there(hr)))
    if name == "piqe":
        return Scorer(metric, lambda sr, hr: piqe(sr))
    if name == "niqe":
        model = sources.niqe
        if model is None:
            raise MetricUnavailable(name, "no model is given", "fit one by --fit-niqe FOLDER, name one by --niqe FILE")
        return Scorer(metric, lambda sr, hr: niqe(sr, model))
    local = sources.weights.get(name)
    if name == "st_lpips" or (local and name in sources.distances):
        return _distance(metric, sources, local)
    from metrics.sr.pyiqa_metrics import create

    return create(metric, local, sources.allow_download)


def _distance(metric: Metric, sources: Sources, local: Path | None) -> Scorer:
    from metrics.sr.pyiqa_metrics import file_sha256

    try:
        return Scorer(metric, sources.distances[metric.name](local), file_sha256(local) if local else "")
    except (ImportError, OSError, ValueError, KeyError) as error:
        ways = f"{metric.requires}, name local weights by --weights {metric.name}=FILE"
        raise MetricUnavailable(metric.name, " ".join(str(error).split()), ways) from None


def _there(picture: Picture | None) -> Picture:
    if picture is None:
        raise ValueError("there is no original to compare with")
    return picture
