"""Weights & Biases without a prompt and without a wait: online with a key, offline otherwise."""

import netrc
import os
import re
import shlex
import sys
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from records.files import read_json, write_json
from records.hashing import value_hash
from records.provenance import environment
from runtime.options import WandbOptions
from runtime.run_folder import RunFolder

SECRET = re.compile(r"api_?key|secret|passw|credential|(^|[._-])token$", re.IGNORECASE)
# Seconds that a run waits for the server at its start, and for the rest of the upload at its end.
START_SECONDS, END_SECONDS = 10.0, 60.0
# The netrc entry that keys of W&B's own cloud have always stood under, whatever its newest address.
CLOUD = "api.wandb.ai"


class DashboardLogger(WandbLogger):
    """WandbLogger whose failures cost the dashboard a line and the run nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Lightning passes it even when unused, and W&B warns of it.
        self._wandb_init.pop("anonymous", None)
        self._warned = False

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log values."""
        try:
            super().log_metrics(metrics, step)
        except Exception as error:
            self._warn(error)

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Add to the run's configuration."""
        try:
            super().log_hyperparams(params)
        except Exception as error:
            self._warn(error)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run as failed after an exception or a signal; W&B itself takes SIGTERM for a good end."""
        try:
            super().finalize(status)
            if status != "success" and self._experiment is not None:
                self._experiment.finish(exit_code=1)
        except Exception as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            warnings.warn(f"W&B lost a value, the run goes on: {_brief(error)}", stacklevel=3)
        self._warned = True


def make_wandb_logger(
    run: RunFolder,
    options: WandbOptions,
    config: dict[str, Any],
    job_type: str,
    judged_by: tuple[str, str] = ("val/final_score", "max"),
) -> list[Logger]:
    """One logger, or none where W&B is disabled or cannot start; training never depends on it.

    Args:
        run: Run folder; the W&B files go below it, and its id is kept there so that a resumed run continues.
        options: Mode, project and tags.
        config: Resolved configuration, logged without anything that looks like a secret.
        job_type: Kind of run, for example ``student``.
        judged_by: Figure whose best value is the run's, and ``max`` or ``min``.
    """
    if options.mode == "disabled":
        return []
    try:
        modes = _modes(options.mode)
    except Exception as error:
        print(f"W&B: not available ({_brief(error)})", file=sys.stderr)
        return []
    for mode in modes:
        try:
            logger = _start(run, options, config, job_type, offline=mode == "offline")
            logger.experiment.define_metric(judged_by[0], summary=judged_by[1])
        except Exception as error:  # whatever W&B raises, training goes on
            print(f"W&B: {mode} failed ({_brief(error)})", file=sys.stderr)
            _forget()
            continue
        if mode == "offline":
            folder = shlex.quote(str(Path(logger.experiment.settings.sync_dir).parent))
            # A run that was interrupted and went on has several of these, with one id.
            print(f"W&B: offline; upload with: wandb sync {folder}/offline-run-*")
        return [logger]
    return []


def _modes(asked: str) -> list[str]:
    """Modes to try, in order."""
    import wandb

    settings = wandb.setup().settings
    said = {"dryrun": "offline", "run": "online"}.get(settings.mode, settings.mode)
    if asked == "auto" and said in ("offline", "disabled"):
        return ["offline"] if said == "offline" else []
    if asked == "offline":
        return ["offline"]
    if has_key(settings):
        return ["online", "offline"]
    if asked == "online":
        print("W&B: no key found (WANDB_API_KEY or netrc), logging offline", file=sys.stderr)
    return ["offline"]


def has_key(settings: Any) -> bool:
    """Whether W&B could log in without asking.

    Args:
        settings: W&B's settings, of environment and settings files.
    """
    import wandb

    if getattr(settings, "api_key", None) or getattr(settings, "identity_token_file", None):
        return True
    hosts = [urlsplit(settings.base_url).netloc]
    if settings.base_url == wandb.Settings().base_url:
        hosts.append(CLOUD)
    home = Path.home()
    files = [os.environ["NETRC"]] if os.environ.get("NETRC") else [home / ".netrc", home / "_netrc"]
    for file in files:
        try:
            entries = netrc.netrc(file)
        except (OSError, netrc.NetrcParseError):
            continue
        if any((entries.authenticators(host) or ("", "", ""))[2] for host in hosts):
            return True
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


def _start(
    run: RunFolder, options: WandbOptions, config: dict[str, Any], job_type: str, offline: bool
) -> DashboardLogger:
    import wandb

    mode = "offline" if offline else "online"
    settings = wandb.Settings(mode=mode, console="off", silent=True, init_timeout=START_SECONDS)
    if hasattr(settings, "finish_timeout"):  # older versions wait for the whole upload
        settings.finish_timeout = END_SECONDS
    logger = DashboardLogger(
        name=f"{run.variant}-seed{run.seed}",
        save_dir=str(run.path),
        project=options.project,
        id=run_id(run),
        resume=None if offline else "allow",
        offline=offline,
        group=run.experiment,
        job_type=job_type,
        tags=[*options.tags, run.variant],
        config={**without_secrets(config), "git": environment()["git"]},
        settings=settings,
    )
    _ = logger.experiment  # starts the run
    return logger


def _forget() -> None:
    """End W&B's own process, which keeps the id of a run that could not start and would refuse it to the next."""
    import wandb

    try:
        wandb.teardown()
    except Exception as error:
        print(f"W&B: {_brief(error)}", file=sys.stderr)


def _brief(error: Exception) -> str:
    first = str(error).partition("\n")[0][:200]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
