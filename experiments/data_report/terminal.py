"""The report in the terminal."""

from typing import Any

from experiments.data_report.finding import ERRORS, NOTES
from experiments.data_report.statistics import COUNTS, LENGTHS

_SHOWN = 5


def show(report: dict[str, Any]) -> None:
    """Print the first findings of each kind and the statistics.

    Args:
        report: ``root, files, labels, findings, statistics`` as in the JSON.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table("kind", "file or table", "what was seen", title="Findings", title_justify="left")
    for kind in (*ERRORS, *NOTES):
        rows = [finding for finding in report["findings"] if finding["kind"] == kind]
        style = "red" if kind in ERRORS else "yellow"
        for place, row in enumerate(rows[:_SHOWN]):
            # Text: square brackets in a name are no markup.
            table.add_row(Text(kind if not place else "", style), Text(row["id"]), Text(row["detail"]))
        if len(rows) > _SHOWN:
            table.add_row("", Text(f"... {len(rows)} in all", style), "")
    if table.row_count:
        console.print(table)
    facts = Table("statistic", "value", title="Statistics", title_justify="left")
    for name, value in _lines(report["statistics"]):
        facts.add_row(name, Text(value))
    console.print(facts)


def _lines(statistics: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [("readable", f"{statistics['readable']} files, {statistics['bytes'] / 1e6:.1f} MB")]
    for name, title in COUNTS.items():
        pairs = list(statistics[name].items())
        more = f", {len(pairs) - 6} others" if len(pairs) > 6 else ""
        lines += [(title, ", ".join(f"{value} ({count})" for value, count in pairs[:6]) + more)] if pairs else []
    for name, title in LENGTHS.items():
        if spread := statistics[name]:
            lines.append((title, f"{spread['min']:g} to {spread['max']:g}, median {spread['median']:g}"))
    for split, facts in statistics["scores"].items():
        spread = f"{facts['min']:g} to {facts['max']:g}, mean {facts['mean']:.3f}, sd {facts['sd']:.3f}"
        lines.append((f"scores of {split}", f"{facts['n']}: {spread}  {_bars(facts['counts'])}"))
    return lines


def _bars(counts: list[int]) -> str:
    top = max(counts) or 1
    return "".join(" ▁▂▃▄▅▆▇█"[-(-8 * count // top)] for count in counts)
