"""Fills the feature bank of an expert: what is there is left alone, a batch is on disk before the next one begins."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from metrics.meta import meta_copy
from records.bank_writer import BankWriter, refusal
from records.errors import UserError
from records.feature_bank import BankHeader, FeatureBank, stand_in_note
from records.leftovers import sweep

_log = logging.getLogger(__name__)


class ExpertFeatureWriter(L.Callback):
    """Have a task predict the clips without a row, and keep the rows.

    The bank is the folder ``<task.bank>/<task.name>``. Each rank writes its own rows into the one table, so a run that
    was killed at any moment goes on, on any number of ranks, and ends with the bytes of one that was not. A row with
    values that float16 cannot hold is left out with a warning.

    Attributes:
        figures: What the summary says of the bank.
        told: What the end screen says of it.
    """

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}
        self.told: dict[str, str] = {}
        self._ids: list[str] = []
        self._missing: list[str] = []
        self._writer: BankWriter | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Make or open the bank, and tell the data module what is done already; every rank then goes on or ends."""
        task, data = _parts(trainer, pl_module)
        try:
            task.network.check(data.shapes)
        except ValueError as error:
            mend = "give expert and view the same key"
            raise UserError(str(error), where="model.init_args.expert", mend=mend) from None
        header = _header(task, data)
        folder = Path(task.bank) / task.name
        self._ids = [label.id for label in data.labels("predict")]
        answer: tuple[UserError | None, list[str]] = (None, [])
        if trainer.is_global_zero:
            sweep(folder)
            try:
                answer = None, FeatureBank.prepare(folder, header, self._ids).missing(self._ids)
            except UserError as error:
                answer = error, []
        problem, self._missing = trainer.strategy.broadcast(answer, src=0)
        if problem is not None:
            raise problem
        bank = FeatureBank(folder)
        bank.check(header)  # weights of this rank, too
        left = set(self._missing)
        data.leave_out(frozenset(id for id in self._ids if id not in left))
        self._writer = BankWriter(bank, trainer.global_rank)

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Sequence[tuple[str, Tensor]],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Put the rows of one batch on disk."""
        assert self._writer is not None
        rows = {id: row.numpy() for id, row in outputs}
        header = self._writer.bank.header
        for id in [*rows]:
            if reason := refusal(rows[id], header):
                _log.warning("%s: expert %s %s; it gets no row", id, header.expert, reason)
                del rows[id]
        if rows:
            self._writer.write([*rows], rows.values())

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Wait for all ranks and report."""
        if self._writer is None:
            return
        self._writer.close()
        trainer.strategy.barrier("rows written")
        bank = FeatureBank(self._writer.bank.folder)
        self._writer = None
        task, _ = _parts(trainer, pl_module)
        lacking = bank.missing(self._ids)
        header = bank.header
        self.figures = {
            "bank": str(bank.folder),
            "expert": header.expert,
            "stand_in": header.stand_in,
            "rows": len(self._ids) - len(lacking),
            "new_rows": len(self._missing) - len(lacking),
            "missing_rows": len(lacking),
        }
        rows, new = (self.figures[name] for name in ("rows", "new_rows"))
        size = len(bank.index) * header.row_bytes / 1e6
        self.told = {
            "rows": f"{rows} of {len(self._ids)} clips, {new} of them new",
            "bank": f"{bank.folder}, {len(bank.index)} rows of {header.tokens} x {header.width} float16, {size:.1f} MB",
            "weights": task.source or "random",
        }
        if lacking:
            self.told["without a row"] = f"{len(lacking)}, for example {lacking[0]}"
        if header.stand_in:
            self.told["stand-in"] = stand_in_note([header.expert])


def _parts(trainer: L.Trainer, pl_module: L.LightningModule) -> tuple[Any, Any]:
    return pl_module, trainer.datamodule  # type: ignore[attr-defined]


def _header(task: Any, data: Any) -> BankHeader:
    (view,) = data.views.values()
    shapes = {name: torch.empty((1, *shape), dtype=torch.uint8, device="meta") for name, shape in data.shapes.items()}
    tokens, width = meta_copy(task.network)(shapes).shape[1:]
    hash = task.load()
    return BankHeader(
        expert=task.name,
        version=task.version,
        weights_hash=hash,
        sampler_hash=view.sampler_hash if tokens > 1 else "",
        tokens=tokens,
        width=width,
        stand_in=task.source is None,
        view=view.signature(),
    )
