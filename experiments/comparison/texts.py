"""A comparison as terminal table, Markdown and CSV."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from experiments.comparison.statistics import Spread
from experiments.comparison.table import Comparison, Row, verdict

HEADS = (
    "variant",
    "seeds",
    "score",
    "sd",
    "95 %",
    "change",
    "95 % over contents",
    "p (Holm)",
    "GMACs",
    "params M",
    "minutes",
)

NAMES = {"final_no_rank": "(SROCC + PLCC) / 2", "final": "final score"}


def cells(found: Comparison, row: Row) -> list[str]:
    """What the columns of ``HEADS`` say of a variant."""
    score, change = row.score, row.contents
    gap = change.value if change else row.seeds.mean if row.seeds else None
    reach = score.interval if score else None
    return [
        row.name + (" (baseline)" if row.name == found.baseline else ""),
        str(score.n if score else 0),
        f"{score.mean:.4f}" if score else "",
        f"{score.sd:.4f}" if score and score.sd is not None else "",
        _reach(reach) or (f"{_reach(row.reach)}\u2020" if row.reach else ""),
        "" if gap is None else f"{gap:+.4f}",
        _reach(change.interval, "+") if change else "",
        "" if row.corrected is None else f"{row.corrected:.3g}",
        "" if row.gmacs is None else f"{row.gmacs:.2f}",
        "" if row.params_m is None else f"{row.params_m:.2f}",
        "" if row.minutes is None else f"{row.minutes:.1f}",
    ]


def verdicts(found: Comparison) -> list[str]:
    """One sentence for every variant that was tested against the baseline."""
    said = []
    for row in found.rows:
        if row.contents is None:
            continue
        change = row.contents
        text = (
            f"{row.name}: {change.figure} {change.value:+.4f} ({_reach(change.interval, '+')}) against {found.baseline}"
        )
        text += f" on {change.files} files of {change.contents} contents: {verdict(row, found.more_is_better)}"
        if row.seeds and row.seeds.interval:
            text += f"; over {row.seeds.n} paired seeds {row.seeds.mean:+.4f} ({_reach(row.seeds.interval, '+')})"
        said.append(f"{text}.")
    return said


def figure_table(found: Comparison) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of every figure that the runs tell; no rows where they tell only the score."""
    names = list(dict.fromkeys(name for row in found.rows for name in row.figures))
    rows = [
        [row.name, *(_over_seeds(row.figures[name]) if name in row.figures else "" for name in names)]
        for row in found.rows
    ]
    return ["variant", *names], rows if names else []


def _over_seeds(figure: Spread) -> str:
    return f"{figure.mean:.4f}" + ("" if figure.sd is None else f" \u00b1 {figure.sd:.4f}")


def title(found: Comparison) -> str:
    """What was compared, in one line."""
    better = "more is better" if found.more_is_better else "less is better"
    return f"{found.split}: {NAMES.get(found.judged_by, found.judged_by)} ({better}), baseline {found.baseline}"


def markdown(found: Comparison, pictures: Sequence[str] = ()) -> str:
    """The whole comparison as a page of Markdown."""
    lines = [f"# {title(found)}", ""]
    if found.cautions:
        lines += ["**Before the figures:**", "", *(f"- {said}" for said in found.cautions), ""]
    lines += _table(HEADS, [cells(found, row) for row in found.rows])
    if any(row.reach for row in found.rows):
        lines += ["", "\u2020 over the contents of a single seed."]
    if said := verdicts(found):
        lines += ["", *(f"- {text}" for text in said)]
    heads, rows = figure_table(found)
    if rows:
        lines += ["", "## All figures, mean \u00b1 sd over seeds", "", *_table(heads, rows)]
    keys = list(found.rows[0].differs)
    if keys:
        heads = ["key", *(row.name for row in found.rows)]
        lines += ["", "## What differs", ""]
        lines += _table(heads, [[f"`{key}`", *(_value(row.differs[key]) for row in found.rows)] for key in keys])
    if any(row.made_from for row in found.rows):
        lines += ["", "## Made from", ""]
        lines += [f"- {row.name}: {'; '.join(row.made_from)}" for row in found.rows if row.made_from]
    lines += ["", *(f"![{name}]({name})" for name in pictures), ""]
    return "\n".join(lines)


def as_csv(found: Comparison) -> str:
    """One line a variant, all digits."""
    text = io.StringIO()
    keys = list(found.rows[0].differs)
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["variant", "baseline", "split", "score_name", "seeds", "mean", "sd", "low", "high", "figure", "change",
         "change_low", "change_high", "p", "p_holm", "contents", "files", "seed_change", "seed_low", "seed_high",
         "gmacs", "params_m", "minutes", *keys]
    )  # fmt: skip
    for row in found.rows:
        score, change, seeds = row.score, row.contents, row.seeds
        table.writerow(
            [row.name, found.baseline, found.split, found.judged_by, score.n if score else 0]
            + ([score.mean, score.sd, *(score.interval or ("", ""))] if score else [""] * 4)
            + ([change.figure, change.value, *change.interval, change.p, row.corrected, change.contents, change.files]
               if change else [""] * 8)
            + ([seeds.mean, *(seeds.interval or ("", ""))] if seeds else [""] * 3)
            + [row.gmacs, row.params_m, row.minutes, *(_value(row.differs[key]) for key in keys)]
        )  # fmt: skip
    return text.getvalue()


def show(found: Comparison) -> None:
    """Print cautions, table and verdicts."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for said in found.cautions:
        console.print(f"[bold yellow]caution[/]: {_plain(said)}", highlight=False)
    table = Table(title=title(found), box=SIMPLE_HEAD)
    # Intervals stand in the sentences below; a terminal is narrow.
    left_out = ("95 %", "params M") if console.width < 100 else ("95 %",)
    shown = [place for place, head in enumerate(HEADS) if not head.startswith(left_out)]
    for place in shown:
        first = place == 0
        table.add_column(HEADS[place], justify="left" if first else "right", overflow="fold", no_wrap=not first)
    for row in found.rows:
        told = cells(found, row)
        table.add_row(*(told[place] for place in shown))
    console.print(table)
    for said in verdicts(found):
        console.print(said, markup=False, highlight=False)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _reach(interval: tuple[float, float] | None, sign: str = "") -> str:
    return f"{interval[0]:{sign}.4f} to {interval[1]:{sign}.4f}" if interval else ""


def _value(value: Any) -> str:
    return "" if value is None else str(value)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
