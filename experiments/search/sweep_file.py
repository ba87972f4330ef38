"""Read a W&B sweep file: what is searched, how, and the command of one trial."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from records.errors import UserError
from records.hashing import value_hash
from records.yaml_text import parse_yaml

METHODS = ("grid", "random", "bayes")
KEYS = {"program", "method", "metric", "metrics", "command", "parameters", "early_terminate", "run_cap", "name"}
# Keys of the schema that say where W&B keeps a sweep; they change nothing of the search.
IGNORED = {"description", "project", "entity", "apiVersion", "kind", "controller"}
DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
_HYPERBAND = ("min_iter", "max_iter", "s", "eta")
# Of a folder and of runs in it.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]*")
_VARIABLE = re.compile(r"\$\{envvar:([^}]*)\}")


@dataclass(frozen=True)
class Objective:
    """A figure that the search drives up or down.

    Args:
        name: Name in the run's record, or in its summary with dots between levels.
        goal: ``maximize`` or ``minimize``.
    """

    name: str
    goal: Literal["maximize", "minimize"]


@dataclass(frozen=True)
class SweepFile:
    """A sweep.

    Args:
        path: The file.
        name: Name of the sweep, by default the file's stem.
        program: Script of one trial.
        command: Words of one trial, with W&B's macros.
        method: ``grid``, ``random`` or ``bayes``.
        objectives: One, or several for a front of the best compromises.
        parameters: What is searched: dotted key of the command line to W&B's description of its values.
        early_terminate: W&B's description of Hyperband, or None.
        run_cap: Number of trials, or None.
    """

    path: Path
    name: str
    program: str
    command: tuple[str, ...]
    method: str
    objectives: tuple[Objective, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    early_terminate: Mapping[str, Any] | None
    run_cap: int | None

    @property
    def hash(self) -> str:
        """Hash of all that makes trials comparable; how many there are does not."""
        objectives = [(each.name, each.goal) for each in self.objectives]
        search = [self.method, objectives, self.program, list(self.command), dict(self.parameters)]
        return value_hash([*search, self.early_terminate])

    def words(self, values: Mapping[str, Any]) -> list[str]:
        """Command of the trial with these values, macros replaced as ``wandb agent`` does."""
        flags = [f"--{name}={as_word(value)}" for name, value in values.items()]
        found: list[str] = []
        for word in self.command:
            if word == "${args}":
                found += flags
            elif word == "${args_no_hyphens}":
                found += [flag.removeprefix("--") for flag in flags]
            elif word != "${env}" or os.name != "nt":
                plain = {"${env}": "/usr/bin/env", "${interpreter}": sys.executable, "${program}": self.program}
                found.append(_VARIABLE.sub(lambda match: os.environ.get(match[1], ""), plain.get(word, word)))
        return found


def as_word(value: Any) -> str:
    """A value as the command line reads it."""
    return value if isinstance(value, str) else json.dumps(value)


def read_sweep(path: Path) -> SweepFile:
    """Read and check a file.

    Raises:
        UserError: It is not there, is no YAML, or says what cannot be served.
    """
    try:
        given = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            "cannot be read", where=str(path), mend="give a sweep file; some are in configs/sweep"
        ) from error
    except ValueError as error:
        raise UserError(" ".join(str(error).split()), where=str(path), mend="mend the YAML there") from None
    if not isinstance(given, dict):
        raise UserError("is no mapping", where=str(path), mend="give W&B's keys: method, metric, parameters")
    if strange := sorted(map(str, set(given) - KEYS - IGNORED)):
        raise UserError(
            f"cannot serve {', '.join(strange)}", where=str(path), mend=f"known are {', '.join(sorted(KEYS))}"
        )
    method = given.get("method")
    if method not in METHODS:
        raise UserError(f"method {method!r} is none of {', '.join(METHODS)}", where=str(path), mend="mend method")
    program = given.get("program", "train.py")
    command = given.get("command") or list(DEFAULT_COMMAND)
    _check_command(command, path)
    parameters = given.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise UserError("names no parameters", where=str(path), mend="name at least one under parameters")
    for name, told in parameters.items():
        if not isinstance(told, dict) or "parameters" in told:
            what = f"parameter {name} has no values of its own"
            raise UserError(what, where=str(path), mend="write a flat dotted key with value, values or min and max")
    objectives = tuple(_objectives(given, path))
    stop = _early_stop(given.get("early_terminate"), objectives, path)
    cap = given.get("run_cap")
    if cap is not None and (not isinstance(cap, int) or cap < 1):
        raise UserError(f"run_cap {cap!r} is no number of trials", where=str(path), mend="give 1 or more")
    name = str(given.get("name") or path.stem)
    if not NAME.fullmatch(name):
        mend = "give a name of letters, digits, -, _, . and spaces"
        raise UserError(f"name {name!r} is no folder's name", where=str(path), mend=mend)
    try:
        as_word([parameters, command, stop])
    except (TypeError, ValueError):
        mend = "quote dates, and write numbers out"
        raise UserError("a value is no number, text, list or mapping", where=str(path), mend=mend) from None
    return SweepFile(path, name, str(program), tuple(command), method, objectives, parameters, stop, cap)


def _early_stop(stop: Any, objectives: tuple[Objective, ...], path: Path) -> Mapping[str, Any] | None:
    """W&B's description of Hyperband, checked."""
    if stop is not None and not isinstance(stop, dict):
        raise UserError("early_terminate is no mapping", where=str(path), mend="give type: hyperband and min_iter")
    if stop and len(objectives) > 1:
        what = "early_terminate needs one objective"
        raise UserError(what, where=str(path), mend="leave early_terminate out, or name a single metric")
    if stop and (stop.get("type") != "hyperband" or not {"min_iter", "max_iter"} & set(stop)):
        what = f"early_terminate {stop!r} cannot be served"
        raise UserError(what, where=str(path), mend="give type: hyperband with min_iter, or with max_iter and s")
    if stop and not all(isinstance(stop.get(name, 2), int) and stop.get(name, 2) > 0 for name in _HYPERBAND):
        what = f"early_terminate {stop!r} counts by no whole numbers"
        raise UserError(what, where=str(path), mend=f"give {', '.join(_HYPERBAND)} as whole numbers from 1")
    return stop


def _objectives(given: Mapping[str, Any], path: Path) -> Iterable[Objective]:
    if ("metric" in given) == ("metrics" in given):
        raise UserError(
            "names not exactly one of metric and metrics", where=str(path), mend="name what is searched for"
        )
    told = given["metrics"] if "metrics" in given else [given["metric"]]
    if not isinstance(told, list) or not told:
        raise UserError("metrics is no list", where=str(path), mend="give a list of {name, goal}")
    for each in told:
        # W&B minimizes where no goal is given.
        goal = each.get("goal", "minimize") if isinstance(each, dict) else None
        if goal not in ("maximize", "minimize") or not each.get("name"):
            raise UserError(
                f"metric {each!r} is not clear", where=str(path), mend="give name and goal: maximize|minimize"
            )
        yield Objective(str(each["name"]), goal)


def _check_command(command: Any, path: Path) -> None:
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        raise UserError("command is no list of words", where=str(path), mend="give a list, quoted where needed")
    known = {"${env}", "${interpreter}", "${program}", "${args}", "${args_no_hyphens}"}
    for word in command:
        if re.fullmatch(r"\$\{(args|env|interpreter|program|entity|project)[a-z_]*\}", word) and word not in known:
            raise UserError(f"cannot serve {word} in command", where=str(path), mend=f"use {', '.join(sorted(known))}")
    if not known & {"${args}", "${args_no_hyphens}"} & set(command):
        raise UserError("command has no place for the values", where=str(path), mend='add "${args}" at its end')
