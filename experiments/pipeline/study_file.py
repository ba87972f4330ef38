"""Read a study: its axes, its stages, and what every one of them needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.labels import clean_id
from records.yaml_text import parse_yaml

KEYS = {"name", "axes", "stages", "report"}
STAGE_KEYS = {"over", "needs", "run", "gpus", "cores"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PLACE = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Stage:
    """One command of a study.

    Args:
        name: Its name.
        over: Axes that it is run over; none for a single run.
        needs: Stages that come before. Of one over the same axes the same cell is needed, of one over more all that
            fit.
        run: Words of the command. ``${axis}`` stands for the value there; a word ``${axis:words}`` for the words of it;
            ``${study}`` for the study's folder.
        gpus: GPUs that it takes.
        cores: Cores that it takes.
    """

    name: str
    over: tuple[str, ...]
    needs: tuple[str, ...]
    run: tuple[str, ...]
    gpus: int = 0
    cores: int = 1


@dataclass(frozen=True)
class Study:
    """A study.

    Args:
        path: Its file.
        name: Its name, by default the file's stem.
        axes: Values of every axis, each with the words that it adds.
        stages: Stages in an order in which each comes after what it needs.
        report: Files, relative to the study's folder, that hold its results.
    """

    path: Path
    name: str
    axes: Mapping[str, Mapping[str, tuple[str, ...]]]
    stages: tuple[Stage, ...]
    report: tuple[str, ...]


def read_study(path: Path) -> Study:
    """Read and check a file.

    Raises:
        UserError: It is not there, is no YAML, or does not hang together.
    """
    try:
        given = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError("cannot be read", where=str(path), mend="give a study; some are in configs/study") from error
    except ValueError as error:
        raise UserError(" ".join(str(error).split()), where=str(path), mend="mend the YAML there") from None
    if not isinstance(given, dict) or not isinstance(given.get("stages"), dict) or not given["stages"]:
        raise UserError("names no stages", where=str(path), mend="give name, axes, stages and report")
    _known(set(given), KEYS, "the study", path)
    name = str(given.get("name") or path.stem)
    if not NAME.fullmatch(name):
        raise UserError(f"name {name!r} is no folder's name", where=str(path), mend="take letters, digits, - and _")
    told = given.get("axes") or {}
    if not isinstance(told, dict):
        raise UserError("axes are no mapping", where=str(path), mend="give each axis a name and its values")
    axes = {str(axis): _values(axis, values, path) for axis, values in told.items()}
    stages = tuple(_stage(str(each), told, axes, path) for each, told in given["stages"].items())
    return Study(path, name, axes, _ordered(stages, path), _report(given.get("report"), path))


def _report(told: Any, path: Path) -> tuple[str, ...]:
    """Files of the report, none of which may lie elsewhere."""
    try:
        names = tuple(map(str, [told] if isinstance(told, str) else told or ()))
        return tuple(map(clean_id, names))
    except (TypeError, ValueError):
        mend = "give names of files below the study's folder"
        raise UserError(f"report {told!r} names no files of the study", where=str(path), mend=mend) from None


def _known(keys: set[Any], allowed: set[str], what: str, path: Path) -> None:
    if strange := sorted(map(str, keys - allowed)):
        mend = f"known are {', '.join(sorted(allowed))}"
        raise UserError(f"{what} has no key {', '.join(strange)}", where=str(path), mend=mend)


def _values(axis: Any, told: Any, path: Path) -> dict[str, tuple[str, ...]]:
    values = told if isinstance(told, dict) else {str(value): [] for value in told} if isinstance(told, list) else {}
    if not values:
        mend = "give a list of values, or a mapping from names to words"
        raise UserError(f"axis {axis} has no values", where=str(path), mend=mend)
    for value, words in values.items():
        if not NAME.fullmatch(str(value)):
            mend = "take letters, digits, -, _ and ."
            raise UserError(f"value {value!r} of axis {axis} is no folder's name", where=str(path), mend=mend)
        if not isinstance(words, list):
            raise UserError(f"words of {axis} {value} are no list", where=str(path), mend="give a list, or []")
    return {str(value): tuple(map(str, words)) for value, words in values.items()}


def _stage(name: str, told: Any, axes: Mapping[str, Any], path: Path) -> Stage:
    if not isinstance(told, dict) or not isinstance(told.get("run"), list) or not told["run"]:
        raise UserError(f"stage {name} has no command", where=str(path), mend="give run: [words]")
    _known(set(told), STAGE_KEYS, f"stage {name}", path)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise UserError(f"stage {name!r} has no plain name", where=str(path), mend="take letters, digits and _")
    over, needs = (_names(told.get(key), name, key, path) for key in ("over", "needs"))
    if unknown := sorted(set(over) - set(axes)):
        mend = f"axes are {', '.join(axes) or 'none'}"
        raise UserError(f"stage {name} is over no axis {', '.join(unknown)}", where=str(path), mend=mend)
    # The words of a value can only stand alone.
    words = {str(word)[2:-7] for word in told["run"] if re.fullmatch(r"\$\{[^}]*:words\}", str(word))}
    places = {place for word in told["run"] for place in _PLACE.findall(str(word))}
    places -= {"study", *(f"{axis}:words" for axis in words)}
    if unknown := sorted((words | places) - set(over)):
        mend = "name it in over, or write the value"
        raise UserError(f"stage {name} has no value of {', '.join(unknown)}", where=str(path), mend=mend)
    counts = [told.get("gpus", 0), told.get("cores", 1)]
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise UserError(f"stage {name}: gpus and cores are no numbers", where=str(path), mend="give whole numbers")
    return Stage(name, over, needs, tuple(map(str, told["run"])), *counts)


def _names(told: Any, stage: str, key: str, path: Path) -> tuple[str, ...]:
    if not isinstance(told, str | list | None):
        raise UserError(f"stage {stage}: {key} is no list of names", where=str(path), mend="give a name or a list")
    return (told,) if isinstance(told, str) else tuple(map(str, told or ()))


def _ordered(stages: tuple[Stage, ...], path: Path) -> tuple[Stage, ...]:
    """The stages as they stand, which must not need what comes later."""
    seen: set[str] = set()
    for stage in stages:
        if missing := sorted(set(stage.needs) - seen):
            what = f"stage {stage.name} needs {', '.join(missing)}, which is no stage before it"
            raise UserError(what, where=str(path), mend="write stages in the order of their running")
        seen.add(stage.name)
    return stages


def filled(
    word: str, cell: Mapping[str, str], axes: Mapping[str, Mapping[str, tuple[str, ...]]], folder: str
) -> list[str]:
    """A word of a command with the values of a cell."""
    whole = re.fullmatch(r"\$\{([^}]*):words\}", word)
    if whole:
        axis = whole[1]
        return list(axes[axis][cell[axis]])
    values = {**cell, "study": folder}
    return [_PLACE.sub(lambda match: values[match[1]], word)]
