"""What each sample of a training batch is told: what is in it, or nothing."""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.sr.backbone import DiffusionBackbone
from models.sr.prompts import TagTable
from records.errors import UserError


class PromptDraw:
    """Prompts of training samples, the empty one drawn for each sample by itself.

    Args:
        backbone: Base whose fixed prompts are used.
        empty: Chance of a sample to be told nothing, 0..1.
        tags: Table of embedded tags by image, in place of the positive prompt; None for none.
    """

    def __init__(self, backbone: DiffusionBackbone, empty: float, tags: str | None = None) -> None:
        if not 0 <= empty <= 1:
            raise ValueError(f"empty_prompt {empty} must be in [0, 1]")
        self.backbone, self.empty, self.tags = backbone, empty, tags
        self._table: TagTable | None = None

    def positive(self, ids: Sequence[str]) -> Tensor:
        """What is in each sample, float (1 or ids, tokens, width).

        Raises:
            UserError: There is no such table, it was made with another text encoder, or it lacks an image.
        """
        fixed = self.backbone.prompt("positive")
        if self.tags is None:
            return fixed
        try:
            self._table = self._table or TagTable(self.tags, str(self.backbone.encoder_id))
            return self._table.rows(ids).to(fixed)
        except (OSError, ValueError, KeyError) as error:
            mend = "build the table of these very images and this base"
            what = str(error.args[0]).partition("; ")[0]
            raise UserError(what, where=f"model.init_args.tags {self.tags}", mend=mend) from None

    def drawn(self, positive: Tensor, count: int) -> Tensor:
        """What each of ``count`` samples is told, float (count, tokens, width); drawn from torch's generator.

        Args:
            positive: As :meth:`positive` gives it.
            count: Samples.
        """
        silent = (torch.rand(count) < self.empty).to(positive.device)
        return torch.where(silent[:, None, None], self.backbone.prompt("empty"), positive)
