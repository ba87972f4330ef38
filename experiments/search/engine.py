"""Run the trials of a sweep side by side, and take up a sweep that was ended in the middle."""

import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.search.space import Space
from experiments.search.sweep_file import SweepFile
from experiments.search.trial import (
    TrialProcess,
    course,
    end_leftover,
    find_folder,
    identity,
    lives,
    outcome,
    reason,
    start,
)
from records.errors import CheckFailed

if TYPE_CHECKING:
    import optuna

# Seconds between two looks at the running trials.
PAUSE = 0.5
# That many failures in a row without any success end the sweep: the command is wrong, not the values.
HOPELESS = 3
# Attributes of a trial in the study.
VARIANT, PROCESS, HOST, VALUES, REASON, TAKES_UP = "variant", "process", "host", "values", "reason", "takes_up"
ENGINE = "engine"
OVER_BUDGET = "over budget"


@dataclass
class Engine:
    """Serves one sweep.

    Args:
        sweep: The sweep.
        space: What it searches.
        study: Optuna's study.
        folder: Folder of the sweep; logs of the trials go below it.
        root: Folder of all runs.
        limit: Trials in all.
        jobs: Trials at once.
        gpus: Devices of each place, as ``CUDA_VISIBLE_DEVICES`` takes them; none to leave them.
        extra: Words added to every trial's command.
        take_over: Also take up trials of other machines that did not end.
    """

    sweep: SweepFile
    space: Space
    study: "optuna.Study"
    folder: Path
    root: Path
    limit: int
    jobs: int = 1
    gpus: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    take_over: bool = False
    running: "dict[int, tuple[optuna.Trial, TrialProcess]]" = field(default_factory=dict)

    def run(self) -> None:
        """Run until the limit is reached; on Ctrl-C or SIGTERM the trials save their state and are taken up next time.

        Raises:
            CheckFailed: The first trials all failed.
        """
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self._take_up()
        try:
            while True:
                for number in list(self.running):
                    self._look_at(number)
                self._check_hope()
                while len(self.running) < self.jobs and self._may_start():
                    self._start(self.study.ask(self.space.distributions))
                if not self.running:
                    return
                time.sleep(PAUSE)
        finally:
            for _, process in self.running.values():
                process.ask_to_end()
            while any(process.poll() is None for _, process in self.running.values()):
                time.sleep(PAUSE / 5)

    def _may_start(self) -> bool:
        from optuna.trial import TrialState

        trials = counted(self.study)
        if any(trial.state == TrialState.WAITING for trial in trials):
            return True
        exhausted = getattr(self.study.sampler, "is_exhausted", None)
        return len(trials) < self.limit and not (exhausted and exhausted(self.study))

    def _start(self, trial: "optuna.Trial") -> None:
        slot = min(set(range(self.jobs)) - {process.slot for _, process in self.running.values()})
        variant = trial.user_attrs.get(VARIANT) or f"{self.sweep.name}-t{trial.number:04d}"
        values = self.space.values(trial.params)
        words = [*self.sweep.words(values), f"--run.root={self.root}", f"--run.variant={variant}"]
        words += [f"--wandb.group={self.sweep.name}", f"--wandb.sweep={self.sweep.path}", *self.extra]
        trial.set_user_attr(VARIANT, variant)
        trial.set_user_attr(VALUES, values)
        trial.set_user_attr(HOST, socket.gethostname())
        trial.set_user_attr(ENGINE, identity(os.getpid()))
        process = start(words, self._log(variant), slot, self.root, variant, self.gpus[slot] if self.gpus else None)
        trial.set_user_attr(PROCESS, identity(process.process.pid))
        self.running[trial.number] = (trial, process)

    def _log(self, variant: str) -> Path:
        return self.folder / "logs" / f"{variant}.log"

    def _look_at(self, number: int) -> None:
        trial, process = self.running[number]
        code = process.poll()
        if len(self.sweep.objectives) == 1 and self.sweep.early_terminate:
            values = course(process.folder, self.sweep.objectives[0])
            for value in values[len(process.told) :]:
                process.told.append(value)
                trial.report(value, step=len(process.told))
            if code is None and process.asked is None and trial.should_prune():
                process.ask_to_end()
        if code is not None and process.asked is not None:
            self._tell(trial, None, "pruned", f"pruned after validation {len(process.told)}")
        elif code is not None:
            self._ended(trial, process, code)

    def _ended(self, trial: "optuna.Trial", process: TrialProcess, code: int) -> None:
        folder = process.folder
        values = outcome(folder, self.sweep.objectives)
        if code == 0 and all(value is not None for value in values):
            self._tell(trial, values, "complete", "")
            return
        why = reason(folder, self._log(process.variant))
        if code == 0:
            missing = [each.name for each, value in zip(self.sweep.objectives, values, strict=True) if value is None]
            why = f"the run has no {' and no '.join(missing)}"
        elif "over the budget" in why:
            why = f"{OVER_BUDGET}: {why.removeprefix('CheckFailed: ')}"
        self._tell(trial, None, "fail", why)

    def _tell(self, trial: "optuna.Trial", values: list[float | None] | None, state: str, why: str) -> None:
        from optuna.trial import TrialState

        del self.running[trial.number]
        if why:
            trial.set_user_attr(REASON, why)
        self.study.tell(trial, values if state == "complete" else None, state=TrialState[state.upper()])  # type: ignore[arg-type]
        told = ", ".join(f"{value:.4g}" for value in values or [] if value is not None) or why
        done = sum(each.state.is_finished() for each in counted(self.study))
        print(f"[{done}/{self.limit}] trial {trial.number} {state}: {told}", flush=True)

    def _take_up(self) -> None:
        """Enqueue anew, in its old run folder, every trial that was running when the sweep ended."""
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            attributes = trial.user_attrs
            if attributes.get(HOST, socket.gethostname()) != socket.gethostname() and not self.take_over:
                print(f"trial {trial.number} runs on {attributes[HOST]}; if it does not, add --take-over", flush=True)
                continue
            if lives(attributes.get(ENGINE)):
                print(f"trial {trial.number} is another process' of this machine, which still runs", flush=True)
                continue
            if known := attributes.get(PROCESS):
                end_leftover(known)
            if trial.number not in taken_up(self.study):  # else a kill came between the two
                variant = attributes.get(VARIANT)
                kept = {VARIANT: variant} if variant and find_folder(self.root, variant) else {}
                self.study.enqueue_trial(trial.params, user_attrs={TAKES_UP: trial.number, **kept})
            self.study.tell(trial.number, state=TrialState.FAIL)

    def _check_hope(self) -> None:
        from optuna.trial import TrialState

        ended = [trial for trial in counted(self.study) if trial.state.is_finished()]
        bad = [trial for trial in ended if trial.state == TrialState.FAIL and not _over(trial)]
        if len(ended) >= HOPELESS and len(bad) == len(ended):
            log = self._log(str(bad[-1].user_attrs.get(VARIANT)))
            what = f"the first {len(ended)} trials all failed, the last by: {bad[-1].user_attrs.get(REASON)}"
            raise CheckFailed(
                what, where=os.fspath(log), mend="mend the command or the values, and name the sweep anew"
            )


def taken_up(study: "optuna.Study") -> set[int]:
    """Numbers of the trials that another one goes on with."""
    return {trial.user_attrs[TAKES_UP] for trial in study.get_trials(deepcopy=False) if TAKES_UP in trial.user_attrs}


def counted(study: "optuna.Study") -> list[Any]:
    """All trials but those that another one goes on with."""
    others = taken_up(study)
    return [trial for trial in study.get_trials(deepcopy=False) if trial.number not in others]


def _over(trial: Any) -> bool:
    return str(trial.user_attrs.get(REASON, "")).startswith(OVER_BUDGET)
