"""LightningCLI with layered configs, one folder a run, and a command line that both starts and continues."""

import logging
import os
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import jsonargparse
import lightning as L
import yaml
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf.errors import OmegaConfBaseException

from callbacks.expert_features import ExpertFeatureWriter
from callbacks.finite_guard import FiniteGuard
from callbacks.gflops_budget import GFLOPsBudget
from callbacks.image_scores import ImageScoreTable
from callbacks.predictions import PredictionTable
from callbacks.restored_images import RestoredImages
from callbacks.run_facts import RunFacts
from lightning_modules.sr_task import SRTask
from lightning_modules.vqa_expert import VQAExpert
from records.errors import UserError
from records.files import write_text
from records.leftovers import sweep
from records.secrets import without_secrets
from runtime.checkpoint_io import SafeCheckpointIO, newest, set_damaged_aside
from runtime.complaint import complaint
from runtime.exhausted import exhausted
from runtime.layers import expand, named_files, run_name
from runtime.options import CheckpointOptions, EMAOptions, RunOptions, WandbOptions
from runtime.parser import ShortErrorParser
from runtime.resume import Start, decide
from runtime.run_folder import RunFolder
from runtime.run_index import refresh_index
from runtime.status import StatusFile
from runtime.stop_signals import StopSignals, leave, listen, noticed
from runtime.trusted_classes import TRUSTED_ONLY, trust_ours_only
from runtime.wandb_logger import agent_run
from runtime.watchers import fit_callbacks, fit_loggers, is_rank_zero

# Words that start or look at a run but are no part of its configuration.
NOT_CONFIG = ("config", "base", "dry_run", "restart", "ckpt_path", "weights_only", "verbose", "return_predictions")


class CLI(LightningCLI):
    """Commands `fit`, `validate`, `test` and `predict` of `train.py`."""

    def add_arguments_to_parser(self, parser: Any) -> None:
        """Add what a run needs beside trainer, model and data."""
        parser.add_argument("--base", type=str | list[str], default=[], help="Config files below this one.")
        parser.add_argument("--paths", type=dict[str, Any], default={}, help="Values for ${paths.NAME} in configs.")
        parser.add_argument("--run", type=RunOptions, default=RunOptions(), help="Name and place of the run.")
        parser.add_argument("--wandb", type=WandbOptions, default=WandbOptions(), help="Weights & Biases.")
        parser.add_argument("--checkpoint", type=CheckpointOptions, default=CheckpointOptions(), help="Checkpoints.")
        parser.add_argument("--ema", type=EMAOptions, default=EMAOptions(), help="Averaged weights.")
        parser.add_lightning_class_args(GFLOPsBudget, "budget")
        parser.add_lightning_class_args(FiniteGuard, "guard")
        parser.add_argument("--restart", action="store_true", help="Move an existing run folder aside and begin anew.")
        parser.add_argument("--dry_run", action="store_true", help="Three real batches of everything, then a forecast.")

    def parse_arguments(self, parser: Any, args: Any) -> None:
        """Parse the words, with every config file replaced by its layers, and place the run folder."""
        words = list(args)
        files = named_files(words)
        try:
            self.config = parser.parse_args(expand(words))
        except OmegaConfBaseException as error:
            raise UserError(" ".join(str(error).split()), where="interpolation", mend="mend the ${...} there") from None
        config = self.config[self.config.subcommand]
        if config.get("model") is None:
            raise UserError(
                "no model", where="command line", mend="give --config FILE; runnable ones are in configs/exp"
            )
        if not isinstance(config.trainer, jsonargparse.Namespace):
            raise UserError(f"{config.trainer!r} is no trainer", where="trainer", mend="write its options below it")
        if config.seed_everything is True or config.seed_everything is False:
            raise UserError("needs a number, so that a run can be repeated", where="seed_everything", mend="give 0")
        if not 0 <= (config.seed_everything or 0) < 1 << 32:
            told = f"{config.seed_everything} is no number of 32 bits"
            raise UserError(told, where="seed_everything", mend="give 0 to 4294967295")
        experiment, variant = run_name(files)
        config.run.experiment = config.run.experiment or experiment or "unnamed"
        # Trials that W&B's agents start differ by their words alone, and must not share a folder.
        trial = agent_run()
        config.run.variant = config.run.variant or (f"{variant}-{trial}" if trial else variant)
        root = Path(config.run.root)
        self.run_folder = RunFolder(root, config.run.experiment, config.run.variant, config.seed_everything)
        if config.dry_run:
            self.run_folder = RunFolder(root / ".dry-run", config.run.experiment, config.run.variant, 0)
        if config.run.baseline and not (root / config.run.baseline).is_dir():
            raise UserError(
                "no such run",
                where=f"run.baseline {root / config.run.baseline}",
                mend="give <experiment>/<variant>-seed<n>",
            )
        config.trainer.default_root_dir = str(self.run_folder.path)

    @property
    def options(self) -> Any:
        """Parsed options of the command."""
        return self.config[self.subcommand]

    def plain_config(self) -> dict[str, Any]:
        """Resolved configuration as plain values, complete, so that it reparses to the same run."""
        text = self.parser.dump(self.config, skip_link_targets=False, skip_none=False, format="yaml")
        values = yaml.safe_load(text)[self.subcommand]
        return {key: value for key, value in values.items() if key not in NOT_CONFIG}

    def before_instantiate_classes(self) -> None:
        """Decide how the run starts before anything costly is built."""
        self.resolved = without_secrets(self.plain_config())
        self.start = Start(None)
        if self.subcommand == "fit" and not self.options.dry_run:
            if self.options.restart:
                self._restart()
            elif is_rank_zero():
                self.start = decide(self.run_folder, self.resolved)
            else:
                # Same rule without the check: the other ranks must not judge files that rank zero is writing.
                self.start = Start(newest(self.run_folder.checkpoints))
            if self.start.finished:
                raise Finished(self)

    def _restart(self) -> None:
        if is_rank_zero():
            aside = self.run_folder.set_aside()
            if aside:
                print(f"moved the old run to {aside}")

    def instantiate_classes(self) -> None:
        """Build model, data and trainer; a constructor's complaint about a value is the user's to read."""
        try:
            super().instantiate_classes()
        except Exception as error:
            told = complaint(error, self.resolved)
            if told is None:
                raise
            raise told from error

    def _parse_ckpt_path(self) -> None:
        """Nothing to parse: our checkpoints carry no hyperparameters that could override the configuration."""

    def instantiate_trainer(self, **changes: Any) -> L.Trainer:
        """Build a trainer with our record, checkpoints and callbacks beside those of the configuration.

        Args:
            changes: Trainer arguments that replace those of the configuration.
        """
        self._refuse_command()
        given = {**self._get(self.config_init, "trainer", default={})}
        page: Any = (lambda: None) if self.options.dry_run else partial(refresh_index, self.run_folder.root)
        self.status = StatusFile(self.run_folder.status, page)
        own: list[L.Callback] = [self._get(self.config_init, "budget"), RunFacts(self.resolved)]
        own += self._outputs()
        bar = given.get("enable_progress_bar") in (None, True) and sys.stdout.isatty()
        if bar:
            own.append(RichProgressBar(refresh_rate=20))
        if self.subcommand == "fit":
            own += fit_callbacks(self.run_folder, self.options, self.model, self.status)
            own.append(self._get(self.config_init, "guard"))
        theirs = given.get("callbacks") or []
        plugins = given.get("plugins") or []
        given |= {
            # First: it must know that all ranks are through before another writes what they have done.
            "callbacks": [StopSignals(), *(theirs if isinstance(theirs, list) else [theirs])],
            "plugins": [*(plugins if isinstance(plugins, list) else [plugins]), SafeCheckpointIO()],
            "logger": self._loggers(given.get("logger")),
            "enable_progress_bar": bar,
            "enable_checkpointing": self.subcommand == "fit",
        }
        return self._instantiate_trainer(given | changes, own)

    def _outputs(self) -> list[L.Callback]:
        if isinstance(self.model, SRTask):
            return [ImageScoreTable(), RestoredImages()]
        return [ExpertFeatureWriter() if isinstance(self.model, VQAExpert) else PredictionTable()]

    def _refuse_command(self) -> None:
        commands = getattr(self.model, "commands", (self.subcommand,))
        if self.subcommand not in commands:
            what = f"{type(self.model).__name__} has nothing to {self.subcommand}"
            raise UserError(what, where="command line", mend=f"use `python train.py {commands[0]}`")

    def _loggers(self, given: Any) -> list[Any]:
        if self.subcommand != "fit" or self.options.dry_run:
            return []  # an evaluation stands in summary.json; lines without a training step say nothing
        theirs = given if isinstance(given, list) else [given] if given and given is not True else []
        return [*fit_loggers(self.run_folder, self.options.wandb, self.resolved, self.model), *theirs]

    def fit(self, **kwargs: Any) -> None:
        """Train, or go on with the run."""
        if self.options.dry_run:
            from runtime.dry_run import dry_run

            dry_run(self, kwargs)
            return
        if is_rank_zero():
            sweep(self.run_folder.path)
            write_text(self.run_folder.config, yaml.safe_dump(self.resolved, sort_keys=False))
            if self.start.checkpoint:
                set_damaged_aside(self.start.checkpoint)
                print(f"going on from {self.start.checkpoint}")
        self.model.resumes = self.start.checkpoint is not None
        kwargs["ckpt_path"] = self.start.checkpoint or kwargs.get("ckpt_path")
        began = time.time()
        self.trainer.fit(**kwargs)
        if self.trainer.is_global_zero:
            from runtime.finish import finish

            finish(self, seconds=time.time() - began)
            # Last: killed before this line, the same command makes the summary.
            self.status.finish(self.trainer)

    def validate(self, **kwargs: Any) -> None:
        """Score the validation split."""
        self._evaluate(self.trainer.validate, kwargs)

    def test(self, **kwargs: Any) -> None:
        """Score the test split."""
        self._evaluate(self.trainer.test, kwargs)

    def predict(self, **kwargs: Any) -> None:
        """Predict unlabelled videos."""
        kwargs["return_predictions"] = False
        self._evaluate(self.trainer.predict, kwargs)

    def _evaluate(self, run: Any, kwargs: dict[str, Any]) -> None:
        if not kwargs.get("ckpt_path") and getattr(self.model, "needs_checkpoint", True):
            if not self.run_folder.best.is_file():
                raise UserError(
                    "no checkpoint of this run",
                    where=str(self.run_folder.best),
                    mend="run `python train.py fit` with the same words first, or give --ckpt_path FILE",
                )
            kwargs["ckpt_path"] = str(self.run_folder.best)
        elif kwargs.get("ckpt_path") and not Path(kwargs["ckpt_path"]).is_file():
            raise UserError("no such checkpoint", where=str(kwargs["ckpt_path"]), mend="mend --ckpt_path")
        self.model.checkpoint = kwargs.get("ckpt_path")
        if "verbose" in kwargs:
            kwargs["verbose"] = False  # the end screen shows the scores
        run(**kwargs)
        if self.trainer.is_global_zero:
            from runtime.finish import finish

            finish(self)


class Finished(Exception):
    """The run is done already."""

    def __init__(self, cli: CLI) -> None:
        super().__init__()
        self.cli = cli


def run(arguments: list[str]) -> int:
    """Run one command line.

    Args:
        arguments: Words after ``train.py``.

    Returns:
        The exit code: 143 after SIGTERM, 138 after SIGUSR1 and 130 after Ctrl-C, each with the last state saved.
    """
    jsonargparse.set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    listen()
    try:
        if os.environ.get(TRUSTED_ONLY):
            trust_ours_only()
        CLI(
            args=arguments,
            parser_class=ShortErrorParser,
            parser_kwargs={"parser_mode": "omegaconf+"},
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=None,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            trainer_defaults={
                "use_distributed_sampler": False,
                "num_sanity_val_steps": 0,
                "enable_model_summary": False,
            },
        )
    except Finished as finished:
        from runtime.finish import tell_finished

        tell_finished(finished.cli)
    except SIGTERMException:
        return leave()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if noticed() is None:
            told = None if isinstance(error, UserError) else exhausted(error, arguments[0])
            if told is None:
                raise
            raise told from error
        # Another rank was gone first.
        return leave(type(error).__name__)
    except SystemExit as leaving:
        if leaving.code == 1 and _stopped_by_hand(leaving):
            print("interrupted; the same command goes on from here", file=sys.stderr)
            return 130
        raise
    return 0


def _stopped_by_hand(leaving: SystemExit) -> bool:
    # Lightning turns Ctrl-C into sys.exit(1) while it handles the KeyboardInterrupt.
    cause: BaseException | None = leaving
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__context__
    return cause is not None
