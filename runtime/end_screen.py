"""The one screen a run ends on: score, interval, change, worst clips, next command."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Ending:
    """What there is to say at the end of a run.

    Args:
        run: Run folder.
        title: What ended, for example ``fit finished``.
        figures: Name and text of each figure, in order.
        worst: The files that are furthest off, a line each.
        next: Command to type next.
    """

    run: Path
    title: str
    figures: dict[str, str] = field(default_factory=dict)
    worst: list[str] = field(default_factory=list)
    next: str = ""


def show(ending: Ending, console: Console | None = None) -> None:
    """Print the screen; plain text where the output is no terminal."""
    # Paths stay whole in logs, where there is no terminal to tell a width.
    console = console or (Console() if sys.stdout.isatty() else Console(width=160))

    def cell(text: str) -> Text:
        return Text(printable(text, console.encoding))

    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in ending.figures.items():
        table.add_row(cell(name), cell(text))
    for index, line in enumerate(ending.worst):
        table.add_row("furthest off" if index == 0 else "", cell(line))
    # What is copied stands outside the table, on one line however long.
    console.print(Text.assemble((f"{ending.title}: ", "bold"), cell(str(ending.run))), soft_wrap=True)
    console.print(table)
    if ending.next:
        console.print(Text.assemble(("  next: ", "bold"), cell(ending.next)), soft_wrap=True)


def printable(text: str, encoding: str = "utf-8") -> str:
    """``text`` with what would move the cursor or cannot be encoded written as an escape: names of files may be odd."""
    escaped = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return escaped.encode(encoding, "backslashreplace").decode(encoding)


def with_interval(value: float, reach: tuple[float, float] | None) -> str:
    """A score and its 95 % interval as text."""
    if reach is None:
        return f"{value:.4f} (no interval: too few contents or pairs)"
    return f"{value:.4f}, 95 % interval {reach[0]:.4f} to {reach[1]:.4f} over contents"


def with_change(change: tuple[float, float, float] | None, name: str, sign: int = 1) -> str:
    """A change against a baseline as text; inside its interval of zero it is called open.

    Args:
        change: Change, low and high; None where there is nothing to compare.
        name: The baseline.
        sign: 1 where more is better, -1 where less is.
    """
    if change is None:
        return f"{name} has no predictions for the same files"
    value, low, high = change
    moved = 1 if low > 0 else -1 if high < 0 else 0
    verdict = {0: "open: the interval holds zero", 1: "better", -1: "worse"}[moved * sign]
    return f"{value:+.4f} to {name}, 95 % interval {low:+.4f} to {high:+.4f} ({verdict})"
