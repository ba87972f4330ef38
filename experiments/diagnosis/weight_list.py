"""The published checkpoints of configs/weights.toml, and which keys of which recipes take each."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.diagnosis.weight_keys import ROOT, Node

LIST = ROOT / "configs" / "weights.toml"


@dataclass(frozen=True)
class Weight:
    """One published checkpoint; see the head of the file for its fields."""

    title: str
    licence: str
    classes: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    when: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    expert: str = ""
    hub: str = ""
    copy: str = ""
    package: str = ""
    asset: str = ""
    file: list[str] = field(default_factory=list)
    folder: str = ""
    origin: str = ""
    by_hand: bool = False
    mib: float | None = None
    sha256: str = ""
    remark: str = ""

    def fits(self, node: Node) -> bool:
        """Whether a class of a recipe takes it."""
        return node.kind in self.classes and all(node.values.get(name) == value for name, value in self.when.items())

    @property
    def source(self) -> str:
        """Where it is published."""
        return " ".join(part for part in (f"{self.hub} (hub)" if self.hub else "", self.origin) if part)

    @property
    def size(self) -> str:
        """Size in words."""
        return "unknown" if self.mib is None else f"{self.mib:g} MiB"

    @property
    def hash(self) -> str:
        """SHA-256 in words."""
        return f"{self.sha256}..." if 0 < len(self.sha256) < 64 else self.sha256 or "unknown"


def weights(file: Path = LIST) -> list[Weight]:
    """All of them, in the order of the file."""
    return [Weight(**row) for row in tomllib.loads(file.read_text(encoding="utf-8"))["weights"]]


def keys(weight: Weight, found: list[Node]) -> dict[str, list[str]]:
    """Key that takes it, to the recipes that have this key.

    Args:
        weight: The checkpoint.
        found: Classes of all recipes; see :func:`experiments.diagnosis.weight_keys.nodes`.
    """
    taken: dict[str, list[str]] = {}
    for node in found:
        if weight.fits(node):
            taken.setdefault(f"{node.key}.{weight.arguments[0]}", []).append(node.recipe)
    return taken
