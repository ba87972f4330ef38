"""Labelled clips as samples; a clip that cannot be read is replaced, passed over, or ends the run, as asked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.data import Dataset, default_collate

from datamodules.loader import Fault
from datamodules.order import Key
from datamodules.quarantine import Quarantine
from datamodules.video.draw import Draw
from datamodules.video.reader import BackendName
from datamodules.video.unreadable import UnreadableVideo
from datamodules.video.views.assemble import read_views
from datamodules.video.views.base import View
from records.errors import UserError
from records.hashing import seed_of
from records.places import MEND, leads_out, named_root

OnUnreadable = Literal["substitute", "skip", "fail"]
# Drawing this many unreadable clips in a row means that nearly all of them are.
_DRAWS = 16


@dataclass(frozen=True)
class Clip:
    """One file to read.

    Args:
        id: Its id.
        path: Where it is.
        content: What it shows.
        score: Mean opinion score in the set's own unit; None where unknown or sealed.
        origin: Where the score comes from: ``label``, or ``pseudo`` for a teacher's.
    """

    id: str
    path: Path
    content: str
    score: float | None = None
    origin: str = "label"


class VideoQualityDataset(Dataset):
    """Clips of one split as samples.

    Args:
        clips: The clips.
        views: Name to view.
        quarantine: Where unreadable files are noted.
        split: Name of the split, for that list.
        train: Training draws instead of evaluation draws.
        seed: Seed of the run.
        reader: Decoder.
        on_unreadable: ``substitute`` reads another clip, drawn from (seed, epoch, id); ``skip`` leaves the clip out;
            ``fail`` ends the run.
        allowed: Unreadable files of the split that are put up with; one more ends the run.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        views: dict[str, View],
        quarantine: Quarantine,
        *,
        split: str,
        train: bool = False,
        seed: int = 0,
        reader: BackendName = "pyav",
        on_unreadable: OnUnreadable = "skip",
        allowed: int = 0,
    ) -> None:
        self.clips, self.views, self.quarantine = clips, views, quarantine
        self.split, self.train, self.seed, self.reader = split, train, seed, reader
        self.on_unreadable, self.allowed = on_unreadable, allowed

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: int | Key | None) -> dict[str, Any] | Fault | None:
        """Read one clip.

        Args:
            key: Epoch and place in ``clips``, or the place alone (epoch 0); None for no clip.

        Returns:
            ``id``, ``views`` (name to uint8 tensor (time, 3, height, width)), ``mos`` (float32 scalar, nan where
            unknown), ``origin`` (``label`` or ``pseudo``, empty where ``mos`` is unknown) and ``content``; None for a
            clip that is left out; a fault for what should end the run.
        """
        if key is None:
            return None
        epoch, place = key if isinstance(key, tuple) else (0, key)
        asked = clip = self.clips[place]
        for draw in range(_DRAWS):
            try:
                return self._read(clip, epoch)
            except (UnreadableVideo, OSError) as error:
                fault = self._note(clip, error)
            except UserError as error:
                return Fault(error)
            if fault or self.on_unreadable == "skip":
                return fault
            # One from the same source, so that every batch keeps its shares.
            peers = [other for other in self.clips if other.origin == asked.origin]
            clip = peers[seed_of("substitute", self.seed, epoch, asked.id, draw) % len(peers)]
        return Fault(self._too_many(f"{_DRAWS} clips in a row"))

    def _read(self, clip: Clip, epoch: int) -> dict[str, Any]:
        root = named_root(clip.path, clip.id)
        if root is not None and leads_out(clip.path, root):
            what = "leads out of the data root by a link"
            raise UnreadableVideo(what, reason="link out", where=str(clip.path), mend=MEND)
        draw = Draw(seed=self.seed, epoch=epoch, id=clip.id, train=self.train)
        known = clip.score is not None
        return {
            "id": clip.id,
            "views": read_views(clip.path, self.views, draw, backend=self.reader),
            "mos": torch.tensor(clip.score if known else math.nan, dtype=torch.float32),
            "origin": clip.origin if known else "",
            "content": clip.content,
        }

    def _note(self, clip: Clip, error: UnreadableVideo | OSError) -> Fault | None:
        reason = error.what if isinstance(error, UserError) else error.strerror or type(error).__name__
        count = self.quarantine.add(clip.id, reason, self.split)
        if self.on_unreadable == "fail":
            mend = "mend or remove the file, or set data.init_args.on_unreadable: substitute"
            return Fault(UserError(reason, where=str(clip.path), mend=mend))
        return Fault(self._too_many(str(count))) if count > self.allowed else None

    def _too_many(self, count: str) -> UserError:
        return UserError(
            f"{count} of {len(self.clips)} {self.split} clips cannot be read, and {self.allowed} are put up with",
            where=str(self.quarantine.path or self.clips[0].path.parent),
            mend="mend the files listed there, or raise data.init_args.unreadable_share",
        )


class Collate:
    """Make a batch of samples without those left out.

    Args:
        shapes: Promised shape of each view, for an evaluation batch in which no clip could be read.
        train: Give None for a training batch in which no clip could be read; Lightning passes over it.
        dtypes: Type of each view that is not uint8.
    """

    def __init__(
        self, shapes: dict[str, tuple[int, ...]], train: bool = False, dtypes: dict[str, torch.dtype] | None = None
    ) -> None:
        self.shapes, self.train, self.dtypes = shapes, train, dtypes or {}

    def __call__(self, samples: list[Any]) -> dict[str, Any] | Fault | None:
        """Batch ``samples``.

        Returns:
            ``id``, ``origin`` and ``content`` (lists), ``views`` (name to (batch, *shape), of the view's type) and
            ``mos`` (float32 (batch,)); batch can be 0 in evaluation. The first fault where there is one.
        """
        for sample in samples:
            if isinstance(sample, Fault):
                return sample
        read = [sample for sample in samples if sample is not None]
        if read:
            return default_collate(read)
        if self.train:
            return None
        kinds = {name: self.dtypes.get(name, torch.uint8) for name in self.shapes}
        views = {name: torch.empty((0, *shape), dtype=kinds[name]) for name, shape in self.shapes.items()}
        return {"id": [], "views": views, "mos": torch.empty(0), "origin": [], "content": []}
