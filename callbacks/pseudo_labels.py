"""Label a pool with a teacher: nothing done is lost to a kill, and what may not be learnt from is left out."""

import csv
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np

from callbacks.label_filters import LabelFilters
from callbacks.labeller import labeller
from records.errors import CheckFailed, UserError
from records.files import atomic_path
from records.label_parts import LabelledIds, LabelPart
from records.leftovers import sweep
from records.provenance import environment
from records.pseudo_labels import write_pseudo_labels


class PseudoLabelWriter(L.Callback):
    """Write the scores of ``predict`` as pseudo-labels, in place of the run's prediction table.

    Every rank puts each batch on disk at once, in a folder of parts beside the table. The same command goes on where
    it was stopped, whatever stopped it, and labels only what is missing. When all ranks are done, rank zero leaves
    out clips that are, or look like, clips that results are measured on, filters the others, and writes the table in
    the order of the pool. The parts stay: the same command with other filters makes the table anew without a forward.

    Args:
        out: Table to write, Parquet; null for ``pseudo_labels.parquet`` in the run folder. On several machines it must
            be on a disk that all of them see.
        filters: Which labels are not worth learning from.
        allow_transductive: Label clips that are, or look like, validation or test clips too. The table then says that
            it is transductive, and so does every run that learns from it.

    Attributes:
        told: What the end screen says of the table.
        figures: What the summary says of it.
    """

    # The run's prediction table would hold only what the last command added.
    replaces_predictions = True

    def __init__(
        self, out: str | None = None, filters: LabelFilters | None = None, allow_transductive: bool = False
    ) -> None:
        if out is not None and not out.endswith(".parquet"):
            raise ValueError(f"out must end in .parquet, not {out!r}")
        self.out, self.filters, self.allow_transductive = out, filters or LabelFilters(), allow_transductive
        self.told: dict[str, str] = {}
        self.figures: dict[str, Any] = {}
        self._table, self._identity = Path(), dict[str, Any]()
        self._part: LabelPart | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Find out what was labelled before by the same teacher; that is not labelled again."""
        if stage != "predict":
            return
        self._table = Path(self.out or Path(trainer.default_root_dir) / "pseudo_labels.parquet")
        if trainer.is_global_zero:
            sweep(self._table.parent, below=False)
        self._identity = labeller(trainer, pl_module)
        if not self._identity["teacher"]:
            raise UserError("labels need a trained teacher", where="--ckpt_path", mend="give a checkpoint, or members")
        trainer.datamodule.leave_out(LabelledIds(self._parts, self._identity))  # type: ignore[attr-defined]

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Sequence[tuple[Any, ...]],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Put the labels of one batch on disk: rows (id, score) or (id, score, spread)."""
        rows = [(row[0], float(row[1]), float(row[2]) if len(row) > 2 else math.nan) for row in outputs]
        if rows:
            self._part = self._part or LabelPart(self._parts, trainer.global_rank, self._identity)
            self._part.add(rows)

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Merge the parts of all ranks into the table."""
        if self._part is not None:
            self._part.close()
        trainer.strategy.barrier("labels written")
        if trainer.is_global_zero:
            # A teacher that learnt from held-out clips says what it learnt of every clip.
            self._merge(trainer.datamodule, bool(getattr(pl_module, "transductive", False)))  # type: ignore[attr-defined]

    @property
    def _parts(self) -> Path:
        return self._table.with_suffix(".parts")

    def _merge(self, data: Any, transductive: bool) -> None:
        ids, contents = _pool(data)
        known, scores, spreads = LabelledIds(self._parts, self._identity).find(ids)
        unreadable = data.unreadable("predict")
        missing = [ids[place] for place in np.flatnonzero(~known) if ids[place] not in unreadable]
        if missing:
            raise CheckFailed(
                f"{len(missing)} of {len(ids)} clips have no label, for example {missing[0]}",
                where=str(self._parts),
                mend="give the same command again",
            )
        leaks = data.leaks()
        leaked = {leak.id for leak in leaks}
        leaking = np.fromiter((id in leaked for id in ids), bool, len(ids))
        kept = known if self.allow_transductive else known & ~leaking
        copies = _copies(data.copies(), ids, contents) if self.filters.copies else {}
        places = np.flatnonzero(kept)
        dropped = {
            reason: places[some]
            for reason, some in self.filters.apply(
                [ids[place] for place in places], scores[places], spreads[places], copies
            ).items()
        }
        for some in dropped.values():
            kept[some] = False
        counts = {
            "pool": len(ids),
            "unreadable": int((~known).sum()),
            "leaks": len(leaks),
            **{reason: len(some) for reason, some in dropped.items()},
            "labelled": int(kept.sum()),
        }
        header = {
            **self._identity,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "transductive": transductive or bool((kept & leaking).any()),
            "filters": asdict(self.filters),
            "counts": counts,
            "environment": environment(),
        }
        drops = ((ids[place], reason) for reason, some in dropped.items() for place in some)
        _write_rows(self._table.with_suffix(".filtered.csv"), ("id", "reason"), drops)
        found = ((leak.id, leak.guarded_id, leak.reason) for leak in leaks)
        _write_rows(self._table.with_suffix(".leaks.csv"), ("id", "guarded_id", "reason"), found)
        write_pseudo_labels(self._table, ids, scores, spreads, contents, header, kept)
        self.told = self._tell(counts, header["transductive"])
        shown = {"file": str(self._table), "transductive": header["transductive"], **counts}
        self.figures = {"pseudo_labels": shown}

    def _tell(self, counts: dict[str, int], transductive: bool) -> dict[str, str]:
        told = {"written": str(self._table), "labelled": f"{counts['labelled']} of {counts['pool']} clips"}
        dropped = {name: count for name, count in counts.items() if name not in ("pool", "labelled", "leaks") and count}
        if dropped:
            told["left out"] = ", ".join(f"{count} {name}" for name, count in dropped.items())
        if counts["leaks"]:
            listed = self._table.with_suffix(".leaks.csv")
            told["leaks"] = f"{counts['leaks']} clips are or look like validation or test clips, listed in {listed}"
        if transductive:
            told["transductive"] = "held-out clips were labelled, or taught the teacher; the table says so"
        return told


def _pool(data: Any) -> tuple[list[str], list[str]]:
    """Ids and contents of the clips, in the order of the data set."""
    labels = data.labels("predict")
    return [label.id for label in labels], [label.content for label in labels]


def _copies(pairs: Sequence[tuple[str, str]], ids: Sequence[str], contents: Sequence[str]) -> dict[str, str]:
    """Later to earlier clip of each pair, without versions of one content, which are alike on purpose."""
    paired = {id for pair in pairs for id in pair}
    content = {id: shown for id, shown in zip(ids, contents, strict=True) if id in paired}
    return {later: first for first, later in pairs if content[first] != content[later]}


def _write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
