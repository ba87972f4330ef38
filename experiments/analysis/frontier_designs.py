"""Designs of a cost frontier: what the trunk of a finished bank was shown, with all of its frames and with fewer."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from records.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from experiments.comparison.runs import Run
    from models.vqa.heads import Head
    from records.feature_bank import FeatureBank

# The parts of a video whose middles this sampler takes: every k-th of k times as many parts has the same middle.
NESTED = "datamodules.video.samplers.Uniform"
FILL = "fill it with train.py predict and model.init_args.expert.init_args.rows null"


@dataclass(frozen=True)
class Design:
    """One network that a user could deploy: a view, the trunk that reads it, a head on every token.

    Args:
        view: Variant of the run that filled the bank.
        frames: Frames of a video that it reads.
        shape: What it reads of a video, without the batch.
        gmacs: 10^9 multiply-accumulates a video, from frames to score.
        params_m: Million parameters.
        head: Its head, on the meta device.
        bank: Stored tokens of the trunk.
        every: The bank holds this many times as many frames.
    """

    view: str
    frames: int
    shape: tuple[int, ...]
    gmacs: float
    params_m: float
    head: "Head"
    bank: "FeatureBank"
    every: int

    @property
    def name(self) -> str:
        """View and frames."""
        return f"{self.view}/{self.frames}"

    def tokens(self, ids: list[str]) -> "np.ndarray":
        """Stored tokens of its frames.

        Returns:
            float16 (ids, tokens, width).
        """
        rows = self.bank.read_many(ids)
        frames = rows.reshape(len(ids), self.frames * self.every, -1, rows.shape[-1])
        return frames[:, self.every // 2 :: self.every].reshape(len(ids), -1, rows.shape[-1])


def designs(runs: Iterable["Run"], network: Mapping[str, Any]) -> list[Design]:
    """Every design whose tokens the banks of these runs hold, the cheapest first.

    Args:
        runs: Runs of `predict` that filled banks with a token for every frame and crop.
        network: Configuration of a network, whose head the designs have.

    Raises:
        UserError: A run filled no such bank, or its bank was filled by another view.
    """
    found = [design for run in runs for design in _of_bank(run, network)]
    return sorted(found, key=lambda design: (design.gmacs, design.name))


def data_root(runs: Iterable["Run"]) -> Path:
    """The data set that all banks are of.

    Raises:
        UserError: They are of several.
    """
    roots = sorted({str(run.config.get("data.init_args.root")) for run in runs})
    if len(roots) > 1:
        raise UserError(f"the runs read {' and '.join(roots)}", where="frontier", mend="give runs on one data set")
    return Path(roots[0])


def _of_bank(run: "Run", network: Mapping[str, Any]) -> list[Design]:
    from records.feature_bank import FeatureBank
    from runtime.layers import read_config
    from runtime.trusted_classes import refuse_foreign_classes

    where = run.folder / "config.yaml"
    config = read_config(where)
    try:
        views, expert = config["data"]["init_args"]["views"], config["model"]["init_args"]["expert"]["init_args"]
        bank = Path(config["model"]["init_args"]["bank"]) / config["model"]["init_args"]["name"]
    except (KeyError, TypeError):
        raise UserError("filled no bank", where=str(run.folder), mend="give runs of an expert's predict") from None
    if expert.get("rows") is not None:
        raise UserError("keeps no token of each crop", where=str(run.folder), mend=FILL)
    refuse_foreign_classes([views, expert, dict(network)], str(where))
    name, opened, made = str(expert["view"]), FeatureBank(bank), []
    sampler = views[name]["init_args"]["sampler"]
    most = int(sampler["init_args"]["count"])
    for every in _thinnings(most) if sampler["class_path"] == NESTED else [1]:
        changed = copy.deepcopy(views)
        changed[name]["init_args"]["sampler"]["init_args"]["count"] = most // every
        design, signature = _counted(run.variant, name, changed, expert, network, (opened, every), str(where))
        if every == 1 and signature != opened.header.view:
            what = "was filled with another view than the run's"
            raise UserError(what, where=str(bank), mend=f"remove it, and {FILL}")
        made.append(design)
    return made


def _thinnings(frames: int) -> list[int]:
    return [every for every in range(1, frames + 1, 2) if frames % every == 0]


def _counted(
    variant: str,
    name: str,
    views: dict[str, Any],
    expert: Mapping[str, Any],
    network: Mapping[str, Any],
    stored: tuple["FeatureBank", int],
    where: str,
) -> tuple[Design, dict[str, Any]]:
    """A design with what it costs from frames to score, and the signature of its view."""
    import torch

    from metrics.efficiency import efficiency
    from runtime.build import build
    from runtime.trusted_classes import only_trusted_imports

    options = {**network["init_args"], "branches": {name: expert["branch"]}, "fusion": None}
    with torch.device("meta"), only_trusted_imports():
        built, made = build({**network, "init_args": options}, views, where)
    shapes = {key: tuple(view.shape) for key, view in made.items()}
    built.check(shapes)
    cost = efficiency(built, shapes)
    frames, head = int(views[name]["init_args"]["sampler"]["init_args"]["count"]), built.head
    design = Design(variant, frames, shapes[name], cost["gmacs"], cost["params_m"], head, *stored)
    return design, made[name].signature()
