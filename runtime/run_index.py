"""`runs/index.html`: a static page of all runs, no server and no network."""

import html
import math
import sys
import time
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import quote

from records.files import write_text
from records.runs import read_metrics, read_status, read_summary

# Runs of an older version do not name theirs.
MONITOR = "val/final_score"

# Heading and what it means, in the order of the columns.
COLUMNS = {
    "run": "experiment / variant and seed; opens the folder",
    "state": "running, finished, interrupted or failed",
    "score": "best validation score: what the column judged by names",
    "judged by": "quality: the official score where rank pairs exist, else (SROCC + PLCC) / 2; images: the mean figure",
    "interval": "95 % over contents",
    "test": "the same score on the test split, where it was scored",
    "course": "validation score of every epoch",
    "epochs": "trained",
    "GMACs": "10^9 multiply-accumulates a video",
    "params": "million",
    "minutes": "of training",
    "updated": "local time",
}
NUMBERS = frozenset("score test epochs GMACs params minutes".split())
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --quiet: light-dark(#646464, #a0a0a0); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 88rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0; } p { color: var(--quiet); margin: .2rem 0 1rem; }
input { font: inherit; padding: .2rem .5rem; width: 16rem; } div { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: .8rem; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { cursor: pointer; font-weight: 600; } th:hover { text-decoration: underline; }
th[aria-sort=ascending]:after { content: " \\2191"; } th[aria-sort=descending]:after { content: " \\2193"; }
tbody tr:hover { background: var(--soft); } tr.old { opacity: .55; } svg { vertical-align: middle; }
.n { text-align: right; font-variant-numeric: tabular-nums; } .q { color: var(--quiet); }
.finished { color: light-dark(#17703a, #5fce8a); } .failed { color: light-dark(#b3261e, #ff8a80); }
.interrupted { color: light-dark(#8a5300, #ffb454); } .running { color: light-dark(#1a56b0, #82b1ff); }
"""
SCRIPT = """
const body = document.querySelector("tbody"), heads = [...document.querySelectorAll("th")];
const value = (row, column) => { const v = row.cells[column].dataset.v ?? row.cells[column].textContent;
  return v === "" ? null : isNaN(v) ? v : Number(v); };
heads.forEach((head, column) => head.addEventListener("click", () => {
  const was = head.getAttribute("aria-sort");
  const down = was === null ? head.classList.contains("n") : was === "ascending";
  heads.forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const order = (a, b) => { const x = value(a, column), y = value(b, column);
    if (x === null || y === null) return (x === null) - (y === null);  // empty ones stay below
    return (down ? -1 : 1) * (typeof x === "number" ? x - y : x.localeCompare(y)); };
  body.append(...[...body.rows].sort(order));
}));
document.querySelector("input").addEventListener("input", event => [...body.rows].forEach(row =>
  row.hidden = !row.cells[0].textContent.toLowerCase().includes(event.target.value.toLowerCase())));
"""


def refresh_index(root: Path) -> None:
    """Rewrite the page; a page must not turn a good run into a failed one."""
    try:
        write_index(root)
    except OSError as error:
        print(f"note: the page of all runs was not rewritten: {error}", file=sys.stderr)


def write_index(root: Path) -> Path:
    """Rewrite the page of all runs below ``root``; runs that are being written are shown as far as they can be read.

    Returns:
        Path of the page.
    """
    folders = sorted({path.parent for name in ("status.json", "config.yaml") for path in root.glob(f"*/*/{name}")})
    rows = [_row(root, folder) for folder in folders if not folder.parent.name.startswith(".")]
    heads = "".join(
        f"<th title='{html.escape(told, quote=True)}'{' class=n' if name in NUMBERS else ''}>{name}</th>"
        for name, told in COLUMNS.items()
    )
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Runs</title><style>{STYLE}</style><h1>{len(rows)} run{'s' * (len(rows) != 1)}</h1>"
        f"<p>Written {_date(time.time())}. Click a heading to sort.</p>"
        "<input type=search placeholder='show runs named &hellip;' aria-label='show runs named'>"
        f"<div><table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"<script>{SCRIPT}</script></html>\n"
    )
    path = root / "index.html"
    write_text(path, page)
    return path


def _row(root: Path, folder: Path) -> str:
    status, summary = read_status(folder / "status.json"), read_summary(folder)
    monitor, best = str(status.get("monitor") or MONITOR), min if status.get("mode") == "min" else max
    course = [row[monitor] for row in read_metrics(folder) if _is_number(row.get(monitor))]
    val, test = (dict(scores) if isinstance(scores := summary.get(split), dict) else {} for split in ("val", "test"))
    name = folder.relative_to(root).as_posix()
    state = str(status.get("state", "unknown"))
    seconds = status.get("seconds", summary.get("fit_seconds"))
    updated = status.get("updated")
    why = html.escape(str(status.get("error", "")), quote=True)
    cells = [
        f"<td><a href='{quote(name)}/'>{html.escape(_readable(name))}</a></td>",
        f"<td class='{html.escape(state, quote=True)}' title='{why}'>{html.escape(state)}</td>",
        _number(val.get("score", best(course, default=None)), 4),
        f"<td class=q>{html.escape(str(summary.get('score_name', '')))}</td>",
        f"<td class=q>{_interval(val.get('interval'))}</td>",
        _number(test.get("score"), 4),
        f"<td data-v='{course[-1] if course else ''}'>{_sparkline(course)}</td>",
        _number(status.get("epoch"), 0),
        _number(summary.get("gmacs"), 2),
        _number(summary.get("params_m"), 2),
        _number(seconds / 60 if _is_number(seconds) else None, 1),
        f"<td class=q data-v='{updated}'>{_date(updated)}</td>" if _is_number(updated) else "<td></td>",
    ]
    return f"<tr{' class=old' if '.old-' in folder.name else ''}>{''.join(cells)}</tr>"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any, digits: int) -> str:
    return f"<td class=n data-v='{value}'>{value:.{digits}f}</td>" if _is_number(value) else "<td class=n></td>"


def _interval(reach: Any) -> str:
    if isinstance(reach, list) and len(reach) == 2 and all(map(_is_number, reach)):
        return f"{reach[0]:.3f} &ndash; {reach[1]:.3f}"
    return ""


def _date(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):  # a damaged status may tell any number
        return ""


def _readable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _sparkline(values: list[float]) -> str:
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    places = [
        (2 + 86 * index / (len(values) - 1), 22 - 20 * (value - low) / span) for index, value in enumerate(values)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    label = f"{low:.3f} to {high:.3f}, last {values[-1]:.3f}"
    return (
        f"<svg width=90 height=24 role=img aria-label='{label}'><title>{label}</title>"
        f"<polyline points='{points}' fill=none stroke=currentColor stroke-width=1.5 />"
        f"<circle cx='{places[-1][0]:.1f}' cy='{places[-1][1]:.1f}' r=2 fill=currentColor /></svg>"
    )
