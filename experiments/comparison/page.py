"""A comparison as one self-contained HTML page: no server, no network, no script needed to read it."""

import html
from collections.abc import Sequence
from pathlib import Path

from experiments.comparison.table import Comparison
from experiments.comparison.texts import HEADS, cells, figure_table, title, verdicts

READING = """
Score: mean over seeds; sd and 95 % (Student's t) from three seeds on, with a dagger over the contents of a single
one. Change: against the baseline on the same files; its interval and p come from a paired bootstrap of whole
contents (10 000 draws), p corrected for the number of variants by Holm's method. Seeds and contents are two
different doubts: a change may be sure on these contents and still move with the seed.
"""
STYLE = """
:root { color-scheme: light; --line: #d5d5d5; --quiet: #5d5d5d; --warn: #fff4dc; --edge: #b97b00; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; margin: 2rem auto;
  max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.35rem; margin: 0 0 .2rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
p { margin: .2rem 0; color: var(--quiet); } ul { margin: .3rem 0; padding-left: 1.2rem; }
.caution { background: var(--warn); border-left: 4px solid var(--edge); padding: .6rem .9rem; margin: 1rem 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin-top: .6rem; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 600; } th:first-child, td:first-child { text-align: left; } .base td { background: #faf3ee; }
.keys td { text-align: left; white-space: normal; overflow-wrap: anywhere; max-width: 24rem; font-size: .9em; }
.keys td:first-child { min-width: 18rem; } .keys th { white-space: normal; overflow-wrap: anywhere; text-align: left; }
code { font-size: .92em; }
figure { margin: 1.2rem 0; } figure svg { max-width: 100%; height: auto; }
"""


def page(found: Comparison, pictures: Sequence[Path]) -> str:
    """HTML with the pictures in it.

    Args:
        found: The comparison.
        pictures: SVG files.
    """
    head = "".join(f"<th>{html.escape(name)}</th>" for name in HEADS)
    body = ""
    for row in found.rows:
        mark = " class=base" if row.name == found.baseline else ""
        body += f"<tr{mark}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells(found, row)) + "</tr>"
    parts = [f"<h1>{html.escape(title(found))}</h1>"]
    if found.cautions:
        parts.append(f"<div class=caution><b>Before the figures</b>{_listed(found.cautions)}</div>")
    parts.append(f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")
    if said := verdicts(found):
        parts.append(f"<h2>Against the baseline</h2>{_listed(said)}")
    for picture in pictures:
        text = picture.read_text(encoding="utf-8")
        parts.append(f"<figure>{text[text.index('<svg') :]}</figure>")
    heads, rows = figure_table(found)
    if rows:
        # The deviation below its mean, so that all figures fit beside each other.
        table = _table(heads, rows).replace(" \u00b1 ", "<br>\u00b1 ")
        parts.append(f"<h2>All figures, mean \u00b1 sd over seeds</h2>{table}")
    if keys := list(found.rows[0].differs):
        head = "".join(f"<th>{html.escape(row.name)}</th>" for row in found.rows)
        body = "".join(
            f"<tr><td><code>{html.escape(key)}</code></td>"
            + "".join(
                f"<td>{html.escape('' if row.differs[key] is None else str(row.differs[key]))}</td>"
                for row in found.rows
            )
            + "</tr>"
            for key in keys
        )
        parts.append(
            "<h2>What differs in the configurations</h2><div class=scroll><table class=keys><thead><tr><th>key</th>"
        )
        parts.append(f"{head}</tr></thead><tbody>{body}</tbody></table></div>")
    if made := [f"{row.name}: {'; '.join(row.made_from)}" for row in found.rows if row.made_from]:
        parts.append(f"<h2>Made from</h2>{_listed(made)}")
    parts.append(f"<h2>How to read it</h2><p>{READING}</p>")
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title(found))}</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _listed(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>"
