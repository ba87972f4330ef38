"""What the commands that build a data set share: a folder that is claimed for one recipe, and a bar of clips."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from records.disk import require
from records.errors import UserError
from records.files import read_json, write_json
from records.leftovers import sweep

# What a folder was begun with; a build that was stopped goes on only with the same.
RECIPE = "recipe.json"


def claim(root: Path, recipe: dict[str, Any], what: str, told: dict[str, str] | None = None, room: int = 0) -> None:
    """Begin a folder, or make sure that it was begun with the same recipe and sweep what a killed build left.

    Args:
        root: The folder.
        recipe: All that decides what comes out; plain values.
        what: What is built there, for messages.
        told: Key to what is said where it differs, for values that are too long to tell.
        room: Bytes that the finished folder takes, asked for when it is begun.

    Raises:
        UserError: It is no folder, holds something else, or was begun with another recipe; names what differs.
    """
    if root.exists() and not root.is_dir():
        raise UserError("is not a folder", where=str(root), mend="name a folder with --root")
    if not (root / RECIPE).is_file():
        # A build that was killed as it began has left the recipe half written.
        if root.is_dir() and any(not path.name.startswith(f".{RECIPE}.") for path in root.iterdir()):
            raise UserError("holds something else", where=str(root), mend="name a new folder with --root")
        require(root, room, what, "make room, or name a folder on another disk with --root")
        write_json(root / RECIPE, recipe)
        sweep(root)
        return
    found = read_json(root / RECIPE)
    was = [
        (told or {}).get(key, f"{key} {found.get(key)} instead of {recipe[key]}")
        for key in recipe
        if found.get(key) != recipe[key]
    ]
    if was:
        mend = "name another folder with --root, or delete it"
        raise UserError(f"holds {what} begun with {', '.join(was)}", where=str(root), mend=mend)
    sweep(root)


@contextmanager
def clip_bar() -> Iterator[Callable[[int, int], None]]:
    """Show a bar on the terminal; yields what is told of the clips that are done and of all."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("clips"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("clips", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def positive(text: str) -> int:
    """A whole number above 0, as an argument's type."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value
