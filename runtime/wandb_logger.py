"""Weights & Biases without a prompt and without a wait: online with a key, offline otherwise."""

import contextlib
import logging
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from records.files import read_json, write_json
from records.hashing import file_hash, value_hash
from records.provenance import environment
from records.secrets import without_secrets
from runtime.courier import Courier
from runtime.layers import read_config
from runtime.media_budget import MediaBudget
from runtime.options import WandbOptions
from runtime.run_folder import RunFolder
from runtime.wandb_key import has_key

# Seconds that a run waits for the server at its start, and for the rest of the upload at its end.
START_SECONDS, END_SECONDS = 10.0, 60.0
# Seconds that a validation waits for its pictures to be copied, once.
MEDIA_SECONDS = 10.0
# A larger checkpoint is not copied into W&B.
MODEL_BYTES = 100_000_000
# File of the run folder that keeps the run's id and how much of its budget is used.
ID_FILE = "wandb.json"


class DashboardLogger(WandbLogger):
    """WandbLogger whose failures cost the dashboard the rest of the run and the run one line.

    Every call is made in a thread of its own: a service that was stopped, a disk that is full and a socket that nobody
    reads may hold that thread, never the training.
    """

    def __init__(self, budget: MediaBudget | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._budget = budget or MediaBudget()
        # Lightning passes it even when unused, and W&B warns of it.
        self._wandb_init.pop("anonymous", None)
        self._courier = Courier(self._lost)
        self._inputs: list[dict[str, Any]] = []

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log values."""
        values = {**metrics} if step is None else {**metrics, "trainer/global_step": step}
        self._courier.send(lambda: self.experiment.log(values))

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Add to the run's configuration."""
        values = dict(params)
        self._courier.send(lambda: self.experiment.config.update(values, allow_val_change=True))

    @rank_zero_only
    def log_media(self, media: Iterable[tuple[str, Any, int]], step: int) -> None:
        """Log what fits into the run's budget; its files may be gone after this call.

        Args:
            media: Name, W&B object and bytes of each.
            step: Training step that they belong to.
        """
        values = self._budget.fitting(media)
        if values:
            values["trainer/global_step"] = step
            self._courier.ask(lambda: self.experiment.log(values), MEDIA_SECONDS)

    @rank_zero_only
    def define_metric(self, name: str, summary: str) -> None:
        """Choose what the run's summary says of a figure."""
        self._courier.send(lambda: self.experiment.define_metric(name, summary=summary))

    @rank_zero_only
    def log_inputs(self, inputs: list[dict[str, Any]]) -> None:
        """Tell what the run is made from; online the checkpoints among it are linked, which W&B refuses offline."""
        self._inputs = inputs
        self.log_hyperparams({"inputs": inputs})
        if not self._offline:
            for each in inputs:
                for hash in [each["hash"]] if each["kind"] == "checkpoint" else each["made_by"]:
                    self._courier.send(partial(self._link, _artifact_name(hash)))

    def _link(self, name: str) -> None:
        """Link an artifact that another run logged; one that is not there is no harm."""
        import wandb

        try:
            self.experiment.use_artifact(f"{name}:latest")
        except (wandb.errors.CommError, ValueError) as error:
            print(f"W&B: {name} is not linked ({_brief(error)})", file=sys.stderr)

    def _log_best(self) -> None:
        """Log the best checkpoint under the name of its hash; a large one by its place alone."""
        import wandb

        best = Path(self._save_dir or ".") / "checkpoints/best.ckpt"
        if not best.is_file():
            return
        hash = file_hash(best)
        metadata = {"sha256": hash, "inputs": self._inputs, "run": self._name}
        artifact = wandb.Artifact(_artifact_name(hash), type="model", metadata=metadata)
        if best.stat().st_size <= MODEL_BYTES:
            artifact.add_file(str(best))
        else:
            artifact.add_reference(best.resolve().as_uri(), checksum=False)
        self.experiment.log_artifact(artifact)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run, as failed after an exception or a signal; W&B itself takes SIGTERM for a good end."""
        if self._experiment is not None:
            code = 0 if status == "success" else 1
            if status == "success":
                self._courier.send(self._log_best)
            self._courier.ask(lambda: self.experiment.finish(exit_code=code), END_SECONDS + START_SECONDS)

    def _lost(self, error: BaseException) -> None:
        try:
            place = shlex.quote(str(Path(self.experiment.settings.sync_dir)))
        except Exception:
            place = shlex.quote(str(Path(self._save_dir or ".", "wandb")))
        told = f"W&B: lost ({_brief(error)}), the run goes on; upload what it has with: wandb sync {place}"
        print(told, file=sys.stderr, flush=True)
        # It would log a page about what was told in a line, perhaps to a disk that is full.
        logging.getLogger("wandb").handlers = [logging.NullHandler()]
        # Otherwise its end is waited for when this process ends.
        _end_service()
        farewell = threading.Thread(target=_forget, daemon=True)
        farewell.start()
        farewell.join(START_SECONDS)


def _artifact_name(hash: str) -> str:
    return f"checkpoint-{hash[:16]}"


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
        options: Mode, project, tags and budget.
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
            logger.define_metric(*judged_by)
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


def run_id(run: RunFolder) -> str:
    """Id of this run: made once, kept in the run folder, so resuming continues and ``--restart`` begins another.

    A trial of ``wandb agent`` has the id that the agent gave it.
    """
    if given := agent_run():
        return given
    path = run.path / ID_FILE
    try:
        return str(read_json(path)["id"])
    except (OSError, ValueError, KeyError, TypeError):
        id = value_hash([run.experiment, run.variant, run.seed, time.time_ns()])
        write_json(path, {"id": id})
        return id


def agent_run() -> str | None:
    """Id that ``wandb agent`` gave this process' run; None where no agent started it."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


def _sweep(file: str | None) -> dict[str, Any]:
    return {"sweep": read_config(Path(file))} if file else {}


def _start(
    run: RunFolder, options: WandbOptions, config: dict[str, Any], job_type: str, offline: bool
) -> DashboardLogger:
    import wandb

    mode = "offline" if offline else "online"
    settings = wandb.Settings(mode=mode, console="off", silent=True, init_timeout=START_SECONDS)
    if hasattr(settings, "finish_timeout"):  # older versions wait for the whole upload
        settings.finish_timeout, settings.finish_timeout_raises = END_SECONDS, True
    if hasattr(settings, "x_disable_meta"):  # it would note the command line, with any password that was typed
        settings.x_disable_meta = True
    logger = DashboardLogger(
        name=f"{run.variant}-seed{run.seed}",
        save_dir=str(run.path),
        project=options.project,
        id=run_id(run),
        resume=None if offline else "allow",
        offline=offline,
        group=options.group or run.experiment,
        job_type=job_type,
        tags=[*options.tags, run.variant],
        config={**without_secrets(config), "git": environment()["git"], **_sweep(options.sweep)},
        settings=settings,
        budget=MediaBudget(run.path / ID_FILE, options.media_mb),
    )
    _ = logger.experiment  # starts the run
    return logger


def _forget() -> None:
    """End W&B's own process, which keeps the id of a run that could not start and would refuse it to the next."""
    import wandb

    with contextlib.suppress(Exception):
        wandb.teardown()


def _end_service() -> None:
    """Kill W&B's own process, which this one has started; where there is no /proc it is left alone."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if int(facts["PPid"]) == os.getpid() and facts["Name"].startswith("wandb-core"):
                os.kill(int(facts["Pid"]), signal.SIGKILL)
        except (OSError, ValueError, KeyError):  # it has ended meanwhile
            continue


def _brief(error: BaseException) -> str:
    first = str(error).partition("\n")[0][:200]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
