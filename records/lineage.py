"""What a run was made from, by hash: data, features, labels, candidates and checkpoints of other runs."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["data", "features", "pseudo-labels", "checkpoint", "candidates"]


@dataclass(frozen=True)
class Input:
    """One thing that a run was made from.

    Args:
        kind: What it is.
        path: Where it stood.
        hash: Hash of it: of the splits for data, else SHA-256 of the file, for a bank of its header.
        made_by: Hashes of the checkpoints or weights that made it.
    """

    kind: Kind
    path: str
    hash: str
    made_by: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """The same as plain values."""
        return {**asdict(self), "made_by": list(self.made_by)}
