"""Options of a run that belong to no network and no data set."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class RunOptions:
    """Name and place of a run.

    Args:
        root: Folder of all runs.
        experiment: Name of the experiment; by default the stem of its config file.
        variant: Name of the variant; by default the stem of the ablation file, else ``base``.
        baseline: Run to compare with at the end, ``<experiment>/<variant>-seed<n>`` under ``root``.
    """

    root: str = "runs"
    experiment: str | None = None
    variant: str | None = None
    baseline: str | None = None


@dataclass
class WandbOptions:
    """Weights & Biases.

    Args:
        mode: ``auto`` is online when a key is there and offline otherwise; no mode ever prompts or waits.
        project: Project name.
        tags: Words to find the run by.
        group: Runs of one group stand together; by default those of an experiment.
        sweep: Sweep file whose trial the run is; what it says goes into the run's configuration.
        media_mb: Most megabytes of tables and pictures that the run logs, over all its starts.
    """

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    project: str = "sugc-lab"
    tags: list[str] = field(default_factory=list)
    group: str | None = None
    sweep: str | None = None
    media_mb: float = 50.0


@dataclass
class CheckpointOptions:
    """When checkpoints are written, and which are kept.

    ``best.ckpt`` is kept, ``last.ckpt``, written at the end of every epoch and on any signal, and ``older.ckpt``, the
    one before.

    Args:
        minutes: Also write ``last.ckpt`` this often within an epoch; null for never.
        top: Also keep so many of the best epochs under their own names, ``epoch-012.ckpt``.
    """

    minutes: float | None = 30.0
    top: int = 0


@dataclass
class EMAOptions:
    """Exponential moving average of the weights, buffers included; evaluated and kept in place of the raw ones.

    Args:
        decay: Share of the old average kept at each optimiser step, 0..1; null for no averaging.
    """

    decay: float | None = None
