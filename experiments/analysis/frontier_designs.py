"""Designs of a cost frontier: what the trunk of a finished bank was shown, with all of its frames and with fewer."""

import copy
import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from records.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from models.vqa.heads import Head
    from records.feature_bank import FeatureBank

# The parts of a video whose middles this sampler takes: every k-th of k times as many parts has the same middle.
NESTED = "datamodules.video.samplers.Uniform"


@dataclass(frozen=True)
class Design:
    """One network that a user could deploy: a view, the trunk that reads it, a head on every token.

    Args:
        view: Name of the bank.
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


def designs(banks: Iterable["FeatureBank"], expert: Mapping[str, Any], network: Mapping[str, Any]) -> list[Design]:
    """Every design whose tokens the banks hold, the cheapest first.

    Args:
        banks: Banks with a token for every frame and crop; what the trunk was shown stands in their headers.
        expert: Configuration of the expert that filled them, whose branch is the trunk.
        network: Configuration of a network, whose head the designs have.

    Raises:
        UserError: A bank holds something else than such tokens of this trunk.
    """
    found = [design for bank in banks for design in _of_bank(bank, expert["init_args"], network)]
    return sorted(found, key=lambda design: (design.gmacs, design.name))


def find_banks(words: Iterable[str]) -> list["FeatureBank"]:
    """Banks by folder or pattern, each once.

    Raises:
        UserError: A word names no bank.
    """
    from records.feature_bank import HEADER, FeatureBank

    found: dict[Path, FeatureBank] = {}
    for word in words:
        folders = [Path(place) for place in sorted(glob.glob(word)) if (Path(place) / HEADER).is_file()]
        if not folders:
            raise UserError(
                "names no feature bank", where=word, mend="fill one with train.py predict; docs/features.md"
            )
        found |= {folder.resolve(): FeatureBank(folder) for folder in folders}
    return list(found.values())


def _of_bank(bank: "FeatureBank", expert: Mapping[str, Any], network: Mapping[str, Any]) -> list[Design]:
    from runtime.trusted_classes import refuse_foreign_classes

    view = _configured(bank.header.view)
    refuse_foreign_classes(view, str(bank.folder))
    sampler, made = view["init_args"].get("sampler") or {}, []
    most = int((sampler.get("init_args") or {}).get("count", 1))
    for every in _thinnings(most) if sampler.get("class_path") == NESTED else [1]:
        thinner = copy.deepcopy(view)
        if every > 1:
            thinner["init_args"]["sampler"]["init_args"]["count"] = most // every
        made.append(_design((bank, every), most // every, thinner, expert, network))
    return made


def _thinnings(frames: int) -> list[int]:
    return [every for every in range(1, frames + 1, 2) if frames % every == 0]


def _configured(signature: Mapping[str, Any]) -> dict[str, Any]:
    """Configuration of what has this signature."""
    options = {name: _configured(value) if isinstance(value, dict) and "class" in value else value
               for name, value in signature.items() if name != "class"}  # fmt: skip
    return {"class_path": signature.get("class", ""), "init_args": options}


def _design(
    stored: tuple["FeatureBank", int],
    frames: int,
    view: dict[str, Any],
    expert: Mapping[str, Any],
    network: Mapping[str, Any],
) -> Design:
    """A design with what it costs from frames to score."""
    import torch

    from metrics.efficiency import efficiency
    from runtime.build import build
    from runtime.trusted_classes import only_trusted_imports

    (bank, every), name = stored, str(expert["view"])
    options = {**network["init_args"], "branches": {name: expert["branch"]}, "fusion": None}
    with torch.device("meta"), only_trusted_imports():
        built, made = build({**network, "init_args": options}, {name: view}, str(bank.folder))
    shape = tuple(made[name].shape)
    built.check({name: shape})
    cost = efficiency(built, {name: shape})
    header = bank.header
    if (header.tokens, header.width) != (shape[0] * every, built.width):
        what = f"holds {header.tokens} x {header.width} a video, and the trunk makes {shape[0] * every} x {built.width}"
        mend = "fill it with this expert, and with model.init_args.expert.init_args.rows null"
        raise UserError(what, where=str(bank.folder), mend=mend)
    return Design(bank.folder.name, frames, shape, cost["gmacs"], cost["params_m"], built.head, bank, every)
