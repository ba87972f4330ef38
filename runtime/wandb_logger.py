"""Weights & Biases without a prompt and without a wait: online with a key, offline otherwise."""

import netrc
import os
import re
import sys
import time
from typing import Any
from urllib.parse import urlparse

from lightning.pytorch.loggers import Logger

from records.files import read_json, write_json
from records.hashing import value_hash
from records.provenance import environment
from runtime.options import WandbOptions
from runtime.run_folder import RunFolder

SECRET = re.compile(r"(api_?key|token|secret|password|credential)", re.IGNORECASE)
INIT_SECONDS = 15


def make_wandb_logger(
    run: RunFolder, options: WandbOptions, config: dict[str, Any], job_type: str
) -> list[Logger]:
    """One logger, or none where W&B is disabled or cannot start; training never depends on it.

    Args:
        run: Run folder; the W&B files go below it, and its id is kept there so that a resumed run continues.
        options: Mode, project and tags.
        config: Resolved configuration, logged without anything that looks like a secret.
        job_type: Kind of run, for example ``student``.
    """
    if options.mode == "disabled":
        return []
    modes = ["online", "offline"] if options.mode == "online" or (options.mode == "auto" and has_key()) else ["offline"]
    if options.mode == "online" and not has_key():
        print("W&B: no key found (WANDB_API_KEY or netrc), logging offline", file=sys.stderr)
        modes = ["offline"]
    for mode in modes:
        try:
            logger = _start(run, options, config, job_type, offline=mode == "offline")
        except Exception as error:  # whatever W&B raises, training goes on
            print(f"W&B: {mode} failed ({str(error).partition(chr(10))[0][:200]})", file=sys.stderr)
            continue
        if mode == "offline":
            print(f"W&B: offline; upload with: wandb sync {logger.experiment.settings.sync_dir}")
        return [logger]
    return []


def has_key() -> bool:
    """Whether W&B could log in without asking."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def without_secrets(value: Any) -> Any:
    """Nested values with everything under a telling key replaced by ``(hidden)``."""
    if isinstance(value, dict):
        return {
            key: "(hidden)" if SECRET.search(str(key)) and item else without_secrets(item)
            for key, item in value.items()
        }
    return [without_secrets(item) for item in value] if isinstance(value, list) else value


def run_id(run: RunFolder) -> str:
    """Id of this run: made once, kept in the run folder, so resuming continues and ``--restart`` begins another."""
    path = run.path / "wandb.json"
    try:
        return str(read_json(path)["id"])
    except (OSError, ValueError, KeyError, TypeError):
        id = value_hash([run.experiment, run.variant, run.seed, time.time_ns()])
        write_json(path, {"id": id})
        return id


def _start(run: RunFolder, options: WandbOptions, config: dict[str, Any], job_type: str, offline: bool) -> Any:
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    facts = environment()
    logger = WandbLogger(
        name=f"{run.variant}-seed{run.seed}",
        save_dir=str(run.path),
        project=options.project,
        id=run_id(run),
        resume=None if offline else "allow",
        offline=offline,
        group=run.experiment,
        job_type=job_type,
        tags=[*options.tags, run.variant],
        config={**without_secrets(config), "git": facts.get("git")},
        settings=wandb.Settings(console="off", silent=True, init_timeout=INIT_SECONDS),
    )
    logger.experiment.define_metric("val/final_score", summary="max")
    return logger
