"""Where everything of one run stands."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """The folder ``<root>/<experiment>/<variant>-seed<n>`` of one run.

    Args:
        root: Folder of all runs.
        experiment: Name of the experiment, by default the stem of its config file.
        variant: Name of the variant, by default the stem of the ablation file or ``base``.
        seed: The run's seed.
    """

    root: Path
    experiment: str
    variant: str
    seed: int

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.root / self.experiment / f"{self.variant}-seed{self.seed}"

    @property
    def config(self) -> Path:
        """Resolved configuration."""
        return self.path / "config.yaml"

    @property
    def status(self) -> Path:
        """State of the run: running, finished, interrupted or failed."""
        return self.path / "status.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of ``best.ckpt`` and ``last.ckpt``."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Checkpoint with the best validation score."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """Newest checkpoint, from which a run goes on."""
        return self.checkpoints / "last.ckpt"

    def set_aside(self) -> Path | None:
        """Move an existing run folder to ``<name>.old-<time>`` and return where it went."""
        if not self.path.exists():
            return None
        stamp = time.strftime("%Y%m%d-%H%M%S")
        target = self.path.with_name(f"{self.path.name}.old-{stamp}")
        count = 1
        while target.exists():
            count += 1
            target = self.path.with_name(f"{self.path.name}.old-{stamp}-{count}")
        shutil.move(self.path, target)
        return target
