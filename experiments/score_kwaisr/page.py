"""One page to compare pictures on: a slider over whole pictures, windows where they err most; no network is needed."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from experiments.score_kwaisr.folders import DOMAINS, Item
from experiments.score_kwaisr.page_look import SCRIPT, STYLE
from experiments.score_kwaisr.scoring import Values
from experiments.score_kwaisr.tables import figure, metric_title, names_of
from experiments.score_kwaisr.views import Crop, Picture, choose, jpeg_uri, png_uri, views_of, worst_crops
from metrics.sr.registry import METRICS
from records.files import write_text

# No picture is added beyond so many characters.
LIMIT = 40_000_000


def write_page(
    path: Path,
    systems: Mapping[str, Sequence[Item]],
    values: Mapping[str, Values],
    scores: Mapping[str, Mapping[str, Any]],
    facts: Mapping[str, Any],
    count: int,
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: HTML file.
        systems: Pictures by the name of a system, ``submission`` first.
        values: Their metrics.
        scores: Their means.
        facts: Preset, convention, missing terms.
        count: At most so many pictures.
    """
    by_id = {name: {item.id: item for item in items} for name, items in systems.items()}
    chosen = choose(systems["submission"], values["submission"], count)
    parts: list[str] = []
    size = 0
    for item, why in chosen:
        same = {name: found[item.id] for name, found in by_id.items() if item.id in found}
        parts.append(_section(len(parts), item, why, same, values, facts))
        size += len(parts[-1])
        if size > LIMIT:
            break
    left_out = len(systems["submission"]) - len(parts)
    note = f"<p>{len(parts)} pictures are shown, {left_out} are not: the worst, middle and best ones were chosen.</p>"
    key = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{key}'"
    names = " and ".join(escape(name) for name in systems)
    write_text(
        path,
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Side by side: {names}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n<body><main>'
        f"<h1>Side by side: {names}</h1>\n{_means(scores, facts)}\n{note if left_out else ''}\n"
        f"{''.join(parts)}</main><script>{SCRIPT}</script></body></html>\n",
    )


def _means(scores: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    ours = scores["submission"]
    counts = ", ".join(f"{ours['n'][domain]} {domain}" for domain in DOMAINS)
    names = names_of(scores)
    totals = [
        name for name in ("score", "score_partial") if any(found.get(name) is not None for found in scores.values())
    ]
    rows = [(metric_title(name, facts), METRICS[name].direction, name) for name in names]
    told = {"score": "challenge score", "score_partial": "partial score"}
    rows += [(told[name], "higher", name) for name in totals]
    table = _table({system: [found.get(name) for *_, name in rows] for system, found in scores.items()}, rows)
    missing = ", ".join(facts["missing"])
    lacks = (
        f"<p>Missing, so that no challenge score exists: {escape(missing)}.</p>" if totals == ["score_partial"] else ""
    )
    return (
        f"<p>Preset {escape(facts['preset'])}: {escape(facts['convention'])}. Means over {counts} pictures, read from "
        f"the saved 8-bit files.</p>{lacks}{table}"
    )


def _table(columns: Mapping[str, Sequence[float | None]], rows: Sequence[tuple[str, str, str]]) -> str:
    """Metrics down, systems across; the best of several systems is bold."""
    head = "".join(f'<th scope="col">{escape(system)}</th>' for system in columns)
    body = ""
    for place, (title, direction, _) in enumerate(rows):
        found = [column[place] for column in columns.values()]
        known = [value for value in found if value is not None]
        best = (max if direction == "higher" else min)(known) if len(set(known)) > 1 else None
        cells = "".join(
            f'<td class="best">{figure(value)}</td>'
            if value is not None and value == best
            else f"<td>{figure(value)}</td>"
            for value in found
        )
        arrow = "↑" if direction == "higher" else "↓"
        body += f'<tr><th scope="row" title="{direction} is better">{escape(title)} {arrow}</th>{cells}</tr>\n'
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">metric</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _section(
    number: int, item: Item, why: str, same: Mapping[str, Item], values: Mapping[str, Values], facts: Mapping[str, Any]
) -> str:
    views = views_of(same)
    ours = views["submission"]
    reference = views.get("HR", views.get("input"))
    crops = worst_crops(ours, reference)
    names = [name for name in METRICS if item.id in values["submission"].get(name, {})]
    rows = [(metric_title(name, facts), METRICS[name].direction, name) for name in names]
    table = _table({system: [values[system][name].get(item.id) for name in names] for system in same}, rows)
    title = escape(item.id)
    return (
        f'<section aria-labelledby="t{number}"><h2 id="t{number}">{title}</h2><p class="note">{escape(why)}</p>\n'
        f"{_compare(number, title, views, crops)}\n{_crops(title, views, crops)}\n{table}</section>\n"
    )


def _compare(number: int, title: str, views: Mapping[str, Picture], crops: Sequence[Crop]) -> str:
    height, width = views["submission"].shape[:2]
    names = list(views)
    right = "submission"
    left = next((name for name in ("LR, bicubic", "input", *names) if name in views and name != right), right)

    def select(side: str, picked: str) -> str:
        options = "".join(
            f'<option value="{escape(name)}"{" selected" if name == picked else ""}>{escape(name)}</option>'
            for name in names
        )
        return f'<label>{side} <select id="{side}{number}">{options}</select></label>'

    pictures = "".join(
        f'<img class="{"left" if name == left else "right" if name == right else ""}" data-view="{escape(name)}" '
        f'alt="{title}, {escape(name)}" src="{jpeg_uri(picture)}" draggable="false">'
        for name, picture in views.items()
    )
    boxes = "".join(
        f'<div class="box" style="left:{100 * crop.left / width:.3f}%;top:{100 * crop.top / height:.3f}%;'
        f'width:{100 * crop.width / width:.3f}%;height:{100 * crop.height / height:.3f}%"><span>{place}</span></div>'
        for place, crop in enumerate(crops, 1)
    )
    shape = f"aspect-ratio:{width}/{height};max-width:min({max(width, 560)}px,calc(80vh*{width / height:.4f}))"
    return (
        f'<div class="compare"><div class="controls">{select("left", left)}{select("right", right)}'
        f'<label>border <input type="range" min="0" max="100" step="0.5" value="50"></label></div>'
        f'<div class="stage" style="{shape}">{pictures}{boxes}<div class="line"></div></div></div>'
    )


def _crops(title: str, views: Mapping[str, Picture], crops: Sequence[Crop]) -> str:
    text = ""
    for place, crop in enumerate(crops, 1):
        cells = "".join(
            f'<figure><img alt="window {place} of {title}, {escape(name)}" src="{png_uri(crop.of(picture))}">'
            f"<figcaption>{place}: {escape(name)}</figcaption></figure>"
            for name, picture in views.items()
        )
        text += f'<div class="crops">{cells}</div>\n'
    return text
