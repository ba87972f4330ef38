"""The report of an analysis: said once, written as Markdown, CSV tables, pictures and one self-contained HTML page."""

import base64
import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.comparison.page import STYLE
from records.files import atomic_path, write_json, write_text

# Pictures wider than the page only cost bytes.
DPI = 130


@dataclass
class Table:
    """Rows of a table.

    Args:
        name: Stem of its CSV file.
        heads: Names of the columns.
        rows: Values; floats are shown with ``digits`` and written to the CSV whole.
        digits: Decimals shown.
    """

    name: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]
    digits: int = 4

    def shown(self) -> list[list[str]]:
        """Cells as a reader sees them."""
        return [[_shown(cell, self.digits) for cell in row] for row in self.rows]


@dataclass
class Picture:
    """A picture.

    Args:
        name: Stem of its file.
        caption: What it shows.
        data: PNG or JPEG bytes.
        kind: ``png`` or ``jpg``.
    """

    name: str
    caption: str
    data: bytes
    kind: str = "png"


@dataclass
class Report:
    """What an analysis found, in the order in which it is to be read.

    Args:
        title: One line that names question, data and split.
        cautions: Sentences that stand before all figures.
        parts: Sections (strings that begin with ``## ``), paragraphs, lists of sentences, tables and pictures.
        figures: Named headline figures, written to ``figures.json`` for whoever reads the result by program.
    """

    title: str
    cautions: list[str] = field(default_factory=list)
    parts: list[str | list[str] | Table | Picture] = field(default_factory=list)
    figures: dict[str, float | int | str | None] = field(default_factory=dict)

    def markdown(self) -> str:
        """The whole report as Markdown, pictures by the names of their files."""
        lines = [f"# {self.title}", ""]
        if self.cautions:
            lines += ["**Before the figures:**", "", *(f"- {said}" for said in self.cautions), ""]
        for part in self.parts:
            if isinstance(part, Table):
                lines += ["| " + " | ".join(part.heads) + " |", "|" + "---|" * len(part.heads)]
                lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in part.shown()]
            elif isinstance(part, Picture):
                lines.append(f"![{part.caption}]({part.name}.{part.kind})")
            elif isinstance(part, list):
                lines += [f"- {said}" for said in part]
            else:
                lines.append(part)
            lines.append("")
        return "\n".join(lines)

    def page(self) -> str:
        """The whole report as one HTML file that needs nothing else."""
        body = [f"<h1>{html.escape(self.title)}</h1>"]
        if self.cautions:
            body.append(f"<div class=caution><b>Before the figures</b>{_listed(self.cautions)}</div>")
        for part in self.parts:
            if isinstance(part, Table):
                head = "".join(f"<th>{html.escape(name)}</th>" for name in part.heads)
                rows = "".join(
                    "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in part.shown()
                )
                body.append(
                    f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
                )
            elif isinstance(part, Picture):
                kind = "jpeg" if part.kind == "jpg" else part.kind
                code, caption = base64.b64encode(part.data).decode(), html.escape(part.caption)
                body.append(
                    f"<figure><img alt='{caption}' style='max-width:100%' src='data:image/{kind};base64,{code}'>"
                    f"<figcaption>{caption}</figcaption></figure>"
                )
            elif isinstance(part, list):
                body.append(_listed(part))
            elif part.startswith("## "):
                body.append(f"<h2>{html.escape(part[3:])}</h2>")
            else:
                body.append(f"<p>{html.escape(part)}</p>")
        return (
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<title>{html.escape(self.title)}</title><style>{STYLE}</style><body>{''.join(body)}</body></html>\n"
        )

    def write(self, folder: Path) -> None:
        """Write ``report.html``, ``report.md``, ``figures.json``, and a file for each table and picture."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in self.parts:
            if isinstance(part, Table):
                write_text(folder / f"{part.name}.csv", _as_csv(part))
            elif isinstance(part, Picture):
                with atomic_path(folder / f"{part.name}.{part.kind}") as temporary:
                    temporary.write_bytes(part.data)
        write_json(folder / "figures.json", self.figures)
        write_text(folder / "report.md", self.markdown())
        write_text(folder / "report.html", self.page())


def drawn(figure: Any, name: str, caption: str) -> Picture:
    """A matplotlib figure as a picture."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, bbox_inches="tight")
    return Picture(name, caption, data.getvalue())


def _as_csv(table: Table) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.heads, *table.rows])
    return text.getvalue()


def _listed(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>"


def _shown(cell: Any, digits: int) -> str:
    if cell is None:
        return ""
    return f"{cell:.{digits}f}" if isinstance(cell, float) else str(cell)
