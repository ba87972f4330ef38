"""What frozen experts said of a video, side by side, out of their feature banks."""

from collections.abc import Iterable
from pathlib import Path

import torch

from datamodules.video.parameters import check_at_least
from datamodules.video.samplers import FrameSampler
from datamodules.video.unreadable import UnreadableVideo
from datamodules.video.views.stored import StoredView
from records.errors import UserError
from records.feature_bank import HEADER, FeatureBank, MissingRow
from records.hashing import file_hash
from records.lineage import Input


class ExpertRows(StoredView):
    """Rows of several experts: float32 (tokens, sum of widths), experts in the order of their names.

    The banks are opened when the first row is read, so shapes are known without them.

    Args:
        root: Folder of the banks, one folder an expert.
        experts: Expert to its width, which its bank must have.
        tokens: Tokens of a video. An expert has as many, one for each frame, or a single one, which is repeated.
        sampler: Chooses the frames in use. An expert with one token a frame must have been shown the frames of the
            same sampler. Null only demands that such experts agree among themselves.
    """

    dtype = torch.float32

    def __init__(
        self, root: str, experts: dict[str, int], tokens: int = 8, sampler: FrameSampler | None = None
    ) -> None:
        check_at_least(1, tokens=tokens, **{f"width of expert {name}": width for name, width in experts.items()})
        if not experts:
            raise ValueError("experts names none; give an expert and its width")
        if sampler is not None and sampler.count != tokens:
            raise ValueError(
                f"tokens is {tokens} and sampler chooses {sampler.count} frames; give both the same number"
            )
        self.root, self.experts = root, dict(sorted(experts.items()))
        self.tokens, self.sampler = tokens, sampler
        self._banks: dict[str, FeatureBank] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """(tokens, sum of widths)."""
        return (self.tokens, sum(self.experts.values()))

    @property
    def stand_ins(self) -> list[str]:
        """Experts whose rows come from random weights."""
        return [name for name, bank in self.banks.items() if bank.header.stand_in]

    @property
    def banks(self) -> dict[str, FeatureBank]:
        """Bank of each expert.

        Raises:
            UserError: A bank is not there, or is not what this view promises.
        """
        if not self._banks:
            banks = {name: FeatureBank(Path(self.root) / name) for name in self.experts}
            for name, bank in banks.items():
                self._check(name, bank)
            self._check_frames(banks)
            self._banks = banks
        return self._banks

    def inputs(self) -> list[Input]:
        """Every bank, and the weights that made it."""
        return [
            Input("features", str(bank.folder), file_hash(bank.folder / HEADER), (bank.header.weights_hash,))
            for bank in self.banks.values()
        ]

    def read(self, id: str) -> torch.Tensor:
        """Rows of one video; see the base class."""
        row = torch.empty(self.shape)
        first = 0
        for name, bank in self.banks.items():
            last = first + self.experts[name]
            try:
                # Torch widens float16 nine times faster than NumPy; a single token is repeated.
                row[:, first:last].copy_(torch.from_numpy(bank.read(id)))
            except MissingRow as error:
                raise UnreadableVideo(error.what, where=error.where, mend=error.mend) from None
            first = last
        return row

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those of ``ids`` that some expert has no row for."""
        ids = list(ids)
        lacking = {id for bank in self.banks.values() for id in bank.missing(ids)}
        return [id for id in ids if id in lacking]

    def _check(self, name: str, bank: FeatureBank) -> None:
        header, width = bank.header, self.experts[name]
        if header.width != width:
            what = f"expert {name} has {header.width} features and {width} are promised"
            mend = f"set experts.{name}: {header.width} in view and branch"
            raise UserError(what, where=str(bank.folder), mend=mend)
        if header.tokens not in (1, self.tokens):
            what = f"expert {name} has {header.tokens} tokens a video and the view has {self.tokens}"
            raise UserError(what, where=str(bank.folder), mend=f"set tokens: {header.tokens}, or fill it anew")

    def _check_frames(self, banks: dict[str, FeatureBank]) -> None:
        frames = {name: bank.header.sampler_hash for name, bank in banks.items() if bank.header.tokens > 1}
        wanted = self.sampler_hash if self.sampler else next(iter(frames.values()), "")
        wrong = [name for name, hash in frames.items() if hash != wanted]
        if wrong:
            used = repr(self.sampler) if self.sampler else f"those of {next(iter(frames))}"
            what = f"rows of {', '.join(wrong)} are of other frames than {used}"
            raise UserError(what, where=self.root, mend="give the view the sampler they were made with, or fill anew")
