"""The challenge's score as a torchmetrics object that is exact on any number of processes."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from metrics.challenge import final_no_rank, final_score
from metrics.correlation import krocc, plcc, plcc_fit4, rmse, srocc
from metrics.rank_pairs import rank_accuracy

RankPair = tuple[str, str, str, int]


class KVQScore(Metric):
    """Scores of predictions keyed by file, gathered over all processes and each file counted once.

    Ids cross processes as one run of UTF-8 bytes and their lengths, so ranks may hold different numbers of rows,
    none included, and ids of any length. The first prediction of an id is kept, in the order of ranks; rows are
    sorted by id, so that the number of processes cannot even change a rounding.

    Args:
        pairs: Rank pairs ``(kind, first, second, rank)``, kind ``nonsource`` or ``source``, rank 1 if the first is
            better. Pairs with a file that was not predicted are left out: a sanity check sees only a few files.
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False

    id_bytes: list[Tensor]
    id_lengths: list[Tensor]
    predictions: list[Tensor]
    targets: list[Tensor]

    _STATES = ("id_bytes", "id_lengths", "predictions", "targets")
    _TYPES = (torch.uint8, torch.int64, torch.float32, torch.float32)

    def __init__(self, pairs: Iterable[RankPair] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for state in self._STATES:
            self.add_state(state, default=[], dist_reduce_fx="cat")
        self._rows: list[tuple[str, float, float]] = []
        self.set_pairs(pairs)

    def set_pairs(self, pairs: Iterable[RankPair]) -> None:
        """Replace the rank pairs; see the class."""
        self.pairs: dict[str, list[tuple[str, str, int]]] = {"nonsource": [], "source": []}
        for kind, first, second, rank in pairs:
            self.pairs[kind].append((first, second, int(rank)))

    def update(self, ids: Sequence[str], prediction: Tensor, target: Tensor) -> None:
        """Take the rows of one batch.

        Args:
            ids: n names.
            prediction: (n,) or (n, 1), label units.
            target: (n,) or (n, 1), label units; nan for files without a score, which appear in the rows only.

        Raises:
            ValueError: The three differ in length.
        """
        encoded = [name.encode() for name in ids]
        p, y = (scores.detach().reshape(-1).to(self.device, torch.float32) for scores in (prediction, target))
        if not len(encoded) == len(p) == len(y):
            raise ValueError(f"{len(encoded)} ids for {len(p)} predictions and {len(y)} targets")
        self.id_bytes.append(torch.tensor(list(b"".join(encoded)), dtype=torch.uint8, device=self.device))
        self.id_lengths.append(torch.tensor([len(name) for name in encoded], dtype=torch.int64, device=self.device))
        self.predictions.append(p)
        self.targets.append(y)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the rows of all processes."""
        # A rank without rows would offer an empty float tensor for bytes and integers, which gloo cannot gather.
        for state, dtype in zip(self._STATES, self._TYPES, strict=True):
            if not getattr(self, state):
                setattr(self, state, [torch.empty(0, dtype=dtype, device=self.device)])
        super().sync(*args, **kwargs)

    def compute(self) -> dict[str, float | None]:
        """Scores of the labelled rows of all processes; a collective call.

        A correlation that does not exist (all predictions equal, or one not finite) counts as 0 here, alone and
        within ``final`` and ``final_no_rank``, so that a collapsed model is logged and ranked last instead of losing
        the monitored key.

        Returns:
            ``n`` (labelled rows), ``srocc``, ``plcc`` (raw), ``plcc_fit4``, ``krocc``, ``rmse`` (label units),
            ``rank_nonsource``, ``rank_source``, ``final`` and ``final_no_rank``; None where there is nothing to
            compute from: no pairs, fewer than two labelled rows (five for ``plcc_fit4``), an error that is not finite.
        """
        self._rows = self._gathered()
        labelled = [row for row in self._rows if not np.isnan(row[2])]
        p, y = (np.array([row[column] for row in labelled], np.float64) for column in (1, 2))
        scores: dict[str, float | None] = {
            "n": len(labelled),
            "srocc": _or_zero(srocc(p, y)),
            "plcc": _or_zero(plcc(p, y)),
            "plcc_fit4": _or_zero(plcc_fit4(p, y)),
            "krocc": _or_zero(krocc(p, y)),
            "rmse": _or_none(rmse(p, y)),
            "rank_nonsource": self._rank("nonsource"),
            "rank_source": self._rank("source"),
        }
        for name, least in (("srocc", 2), ("plcc", 2), ("plcc_fit4", 5), ("krocc", 2)):
            if len(labelled) < least:
                scores[name] = None
        parts = [scores[name] for name in ("srocc", "plcc", "rank_nonsource", "rank_source")]
        scores["final"] = final_score(*parts) if None not in parts else None  # type: ignore[arg-type]
        scores["final_no_rank"] = final_no_rank(*parts[:2]) if None not in parts[:2] else None  # type: ignore[arg-type]
        return scores

    def rows(self) -> list[tuple[str, float, float]]:
        """Id, prediction and target (nan where unlabelled) of each file once, sorted by id, of all processes.

        Those of the last ``compute``; they outlast a ``reset``.
        """
        return self._rows

    def _gathered(self) -> list[tuple[str, float, float]]:
        values = [_flat(getattr(self, state)) for state in self._STATES]
        text = bytes(values[0])
        rows: dict[str, tuple[str, float, float]] = {}
        start = 0
        for length, prediction, target in zip(*values[1:], strict=True):
            name = text[start : start + length].decode()
            start += length
            rows.setdefault(name, (name, prediction, target))
        return [rows[name] for name in sorted(rows)]

    def _rank(self, kind: str) -> float | None:
        scores = {name: prediction for name, prediction, _ in self._rows}
        pairs = [pair for pair in self.pairs[kind] if pair[0] in scores and pair[1] in scores]
        if not pairs:
            return None
        # A model that diverged says nothing about the pairs it gave no number for.
        said = [pair for pair in pairs if np.isfinite([scores[pair[0]], scores[pair[1]]]).all()]
        return rank_accuracy(said, scores).accuracy * len(said) / len(pairs) if said else 0.0


def _flat(state: list[Tensor] | Tensor) -> list[Any]:
    # One tensor once gathered, a list of batches before.
    batches = [state] if isinstance(state, Tensor) else state
    return [value for batch in batches for value in batch.tolist()]


def _or_zero(value: float) -> float:
    return 0.0 if np.isnan(value) else value


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
