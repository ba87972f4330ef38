"""The end of a sweep on the terminal."""

from pathlib import Path

from experiments.search.report import Row, brief
from experiments.search.sweep_file import SweepFile

# Rows shown; the report has all.
SHOWN = 15


def show(sweep: SweepFile, rows: list[Row], files: list[Path]) -> None:
    """Print the ranking, what failed and why, and where the report stands."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    names = [each.name for each in sweep.objectives]
    front = " (1: no trial is better in all)" if len(names) > 1 else ""
    table = Table(title=f"sweep {sweep.name}: {len(rows)} trials{front}", box=SIMPLE_HEAD)
    for heading in ("rank", "trial", *names):
        table.add_column(heading, justify="right")
    table.add_column("values", overflow="fold")
    table.add_column("run", overflow="fold")
    for row in [row for row in rows if row.rank or row.values][:SHOWN]:
        searched = {name: value for name, value in row.parameters.items() if "value" not in sweep.parameters[name]}
        given = ", ".join(f"{name.rpartition('.')[2]} {brief(value)}" for name, value in searched.items())
        table.add_row(
            str(row.rank or row.state), str(row.number), *(f"{value:.5g}" for value in row.values), given, row.run
        )
    console = Console()
    console.print(table)
    without = [row for row in rows if not row.values]
    for row in without[:SHOWN]:
        console.print(f"trial {row.number} {row.state}: {row.why or 'not ended'}", markup=False, highlight=False)
    if len(without) > SHOWN:
        console.print(f"and {len(without) - SHOWN} more without values")
    console.print(f"written: {', '.join(map(str, files))}", markup=False, highlight=False, soft_wrap=True)
