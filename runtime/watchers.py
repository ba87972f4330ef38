"""What watches a fit: callbacks and loggers that no configuration can forget or overwrite."""

import os
from typing import Any

import lightning as L
from lightning.pytorch.loggers import Logger

from callbacks.disk_guard import DiskGuard
from callbacks.ema import EMA
from callbacks.epoch_lines import EpochLines
from callbacks.lineage import Lineage
from callbacks.wandb_images import WandbImages
from callbacks.wandb_media import WandbMedia
from lightning_modules.sr_task import SRTask
from runtime.options import WandbOptions
from runtime.record import RunRecord
from runtime.run_folder import RunFolder
from runtime.saved_epochs import savers
from runtime.status import StatusFile
from runtime.wandb_logger import make_wandb_logger


def is_rank_zero() -> bool:
    """Whether this process is the first of the job, known before any process group stands."""
    return all(int(os.environ.get(name, 0)) == 0 for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK"))


def fit_callbacks(run: RunFolder, options: Any, model: Any, status: StatusFile) -> list[L.Callback]:
    """Status, averaged weights, checkpoints and media of a fit.

    Args:
        run: Run folder.
        options: Parsed options of the command.
        model: The task, which names the score to select on.
        status: The status file.
    """
    found: list[L.Callback] = [EpochLines(), status, DiskGuard(run.checkpoints), Lineage(run.best)]
    if options.ema.decay is not None:
        found.append(EMA(options.ema.decay))
    if options.wandb.mode != "disabled" and not options.dry_run:
        found.append(WandbImages() if isinstance(model, SRTask) else WandbMedia())
    return found + savers(run.checkpoints, options.checkpoint, model)


def fit_loggers(run: RunFolder, options: WandbOptions, config: dict[str, Any], model: Any) -> list[Logger]:
    """Our own record, and W&B on rank zero."""
    kind = type(model).__name__.removeprefix("VQA").lower()
    judged_by = (str(model.monitor), str(model.mode))
    dashboard = make_wandb_logger(run, options, config, kind, judged_by) if is_rank_zero() else []
    return [RunRecord(run.path), *dashboard]
