"""`runs/index.html`: a static page of all runs, no server and no network."""

import html
import json
import time
from pathlib import Path
from typing import Any

from records.files import write_text
from runtime.record import read_metrics
from runtime.status import read_status

MONITOR = "val/final_score"

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; } table { border-collapse: collapse; width: 100%; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { cursor: pointer; position: sticky; top: 0; background: Canvas; } tr:hover td { background: var(--soft); }
td.n { text-align: right; font-variant-numeric: tabular-nums; } svg { vertical-align: middle; }
.finished { color: #2a8a4a; } .failed { color: #c33; } .interrupted { color: #b70; } .running { color: #27c; }
"""
SCRIPT = """
document.querySelectorAll("th").forEach((head, column) => head.addEventListener("click", () => {
  const body = document.querySelector("tbody"), rows = [...body.rows];
  const value = row => { const cell = row.cells[column], v = cell.dataset.v ?? cell.textContent;
    return v === "" || isNaN(v) ? v : Number(v); };
  const up = head.dataset.up = head.dataset.up === "1" ? "" : "1";
  rows.sort((a, b) => { const x = value(a), y = value(b);
    const order = typeof x === typeof y ? (x > y) - (x < y) : typeof x === "number" ? -1 : 1; return up ? -order : order; });
  body.append(...rows);
}));
"""


def write_index(root: Path) -> Path:
    """Rewrite the page of all runs below ``root``; runs that are being written are shown as far as they can be read.

    Returns:
        Path of the page.
    """
    folders = sorted(path.parent for path in root.glob("*/*/status.json"))
    rows = [_row(root, folder) for folder in folders if not folder.parent.name.startswith(".")]
    heads = "run state score interval course epochs GMACs params minutes updated".split()
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Runs</title><style>{STYLE}</style><h1>{len(rows)} run(s)</h1>"
        "<p>Validation score: the official one where rank pairs exist, else (SROCC + PLCC) / 2; interval 95 % over"
        " contents. Click a heading to sort.</p>"
        f"<table><thead><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table><script>{SCRIPT}</script></html>\n"
    )
    path = root / "index.html"
    write_text(path, page)
    return path


def _row(root: Path, folder: Path) -> str:
    status = read_status(folder / "status.json")
    summary = _summary(folder / "summary.json")
    course = [float(row[MONITOR]) for row in read_metrics(folder) if isinstance(row.get(MONITOR), int | float)]
    scores = summary.get("val") or {}
    score = scores.get("score", max(course) if course else None)
    reach = scores.get("interval")
    name = folder.relative_to(root).as_posix()
    state = str(status.get("state", "unknown"))
    minutes = summary.get("fit_seconds")
    updated = float(status.get("updated", 0.0))
    cells = [
        f"<td><a href='{html.escape(name, quote=True)}/'>{html.escape(name)}</a></td>",
        f"<td class='{html.escape(state, quote=True)}'>{html.escape(state)}</td>",
        _number(score, 4),
        f"<td class=n>{reach[0]:.3f} to {reach[1]:.3f}</td>" if reach else "<td></td>",
        f"<td>{_sparkline(course)}</td>",
        _number(status.get("epoch"), 0),
        _number(summary.get("gmacs"), 2),
        _number(summary.get("params_m"), 2),
        _number(minutes / 60 if minutes else None, 1),
        f"<td data-v='{updated}'>{time.strftime('%Y-%m-%d %H:%M', time.localtime(updated)) if updated else ''}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _number(value: Any, digits: int) -> str:
    if not isinstance(value, int | float):
        return "<td></td>"
    return f"<td class=n data-v='{value}'>{value:.{digits}f}</td>"


def _sparkline(values: list[float]) -> str:
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    points = " ".join(
        f"{2 + 116 * index / (len(values) - 1):.1f},{22 - 20 * (value - low) / span:.1f}"
        for index, value in enumerate(values)
    )
    label = f"{low:.3f} to {high:.3f}"
    return (
        f"<svg width=120 height=24 role=img aria-label='{label}'><title>{label}</title>"
        f"<polyline points='{points}' fill=none stroke=currentColor stroke-width=1.5 /></svg>"
    )


def _summary(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
