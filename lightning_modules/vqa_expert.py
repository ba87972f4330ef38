"""A frozen expert: nothing is trained, its features of every video are kept for the networks that are."""

import re
from typing import Any

import lightning as L
from torch import Tensor

from models.vqa.experts import Expert
from models.vqa.passes import Passes
from records.errors import UserError
from records.hashing import tensors_hash


class VQAExpert(L.LightningModule):
    """Makes the rows of one expert's feature bank; `predict` is all it does.

    Args:
        expert: The network and the view it reads. Where its branch is given no weights, its rows are a stand-in of the
            right shape, and everything made of them says so.
        name: Name of the expert, which is its folder below ``bank``.
        version: To be changed with whatever changes the rows but is neither in the weights nor in the view.
        bank: Folder of the feature banks.
    """

    commands = ("predict",)
    needs_checkpoint = False
    monitor, mode = "", "max"

    def __init__(self, expert: Expert, name: str, version: str, bank: str) -> None:
        super().__init__()
        if not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"name {name!r} names a folder; use letters, digits, - and _")
        self.network, self.name, self.version, self.bank = expert, name, version, bank
        # Where the weights come from, once they are loaded; None for random ones.
        self.source: str | None = None
        self.checkpoint: str | None = None
        self.efficiency: dict[str, Any] = {}
        self.passes = Passes(self)

    def load(self) -> str:
        """Load the weights that the branch asks for.

        Returns:
            Hash of the weights.
        """
        try:
            self.source = self.network.load_pretrained()
        except (ValueError, OSError) as error:
            raise UserError(str(error), where="model.init_args.expert") from None
        return tensors_hash(self.network.state_dict())

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[tuple[str, Tensor]]:
        """Id and row, float32 (tokens, width), of each video of one batch.

        One video a forward: sums over larger batches round differently, and the rows of a run that was stopped and
        goes on, with other neighbours, would not equal those of one that was not.
        """
        rows = []
        for place, id in enumerate(batch["id"]):
            row = self.passes(self.network, {name: view[place : place + 1] for name, view in batch["views"].items()})
            rows.append((id, row[0].float().cpu()))
        return rows
