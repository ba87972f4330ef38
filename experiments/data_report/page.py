"""The report as one HTML page that needs nothing else: no script, no font, no network."""

from html import escape
from typing import Any

from experiments.data_report.domains import TITLES
from experiments.data_report.finding import ERRORS, NOTES
from experiments.data_report.histogram import histogram
from experiments.data_report.statistics import COUNTS, LENGTHS

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --line: #d5d8dc; --soft: #f3f5f7; --bar: #2f6fab;
        --error: #a3241a; --note: #6a5200; --good: #1d6b37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6e9; --paper: #16181b; --line: #3b4046; --soft: #212429;
        --bar: #6ca9df; --error: #ff9d90; --note: #e2c46c; --good: #7fd29b; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 70rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; padding: .3rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top;
         overflow-wrap: anywhere; } th { background: var(--soft); } td.n { text-align: right; white-space: nowrap; }
td.id { font-family: ui-monospace, monospace; font-size: .9em; width: 38%; unicode-bidi: isolate; }
.error { color: var(--error); } .note { color: var(--note); } .good { color: var(--good); } strong { font-weight: 600; }
details { margin: .8rem 0; } summary { cursor: pointer; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem 2rem; }
svg { width: 100%; max-width: 40rem; height: auto; } svg rect { fill: var(--bar); } svg line { stroke: var(--ink); }
svg text { fill: var(--ink); font-size: 13px; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SHOWN = 12


def page(report: dict[str, Any]) -> str:
    """HTML of a report.

    Args:
        report: ``root, files, labels, findings, statistics`` as in the JSON; every text in it is escaped here.
    """
    title = f"Data check of {escape(report['root'])}"
    errors = sum(finding["grade"] == "error" for finding in report["findings"])
    notes, medium = len(report["findings"]) - errors, report.get("medium", "video")
    verdict = f'<strong class="error">{errors} errors</strong>' if errors else '<strong class="good">no errors</strong>'
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n'
        f"<p>{verdict}, {notes} notes; {report['files']} {medium} files, {report['labels']} labels.</p>\n"
        f"{_findings(report['findings'])}\n{_statistics(report['statistics'])}</body></html>\n"
    )


def _findings(findings: list[dict[str, str]]) -> str:
    parts = []
    for grade, kinds in (("error", ERRORS), ("note", NOTES)):
        for kind, meaning in kinds.items():
            rows = [finding for finding in findings if finding["kind"] == kind]
            if rows:
                cells = "".join(
                    f'<tr><td class="id">{escape(row["id"])}</td><td>{escape(row["detail"])}</td></tr>\n'
                    for row in rows
                )
                state = " open" if len(rows) <= 50 else ""
                parts.append(
                    f'<details{state}><summary><strong class="{grade}">{kind}</strong>: {len(rows)} &ndash; {meaning}'
                    f"</summary><table><tr><th>file or table</th><th>what was seen</th></tr>\n{cells}</table></details>"
                )
    return "<h2>Findings</h2>\n" + ("\n".join(parts) or "<p>None.</p>")


def _statistics(statistics: dict[str, Any]) -> str:
    tables = "".join(_counts(title, statistics[name]) for name, title in COUNTS.items() if statistics[name])
    lengths = "".join(_length(title, statistics[name]) for name, title in LENGTHS.items() if statistics[name])
    head = "<tr><th></th><th>least</th><th>median</th><th>most</th><th>total</th></tr>"
    lengths = f"<h3>Length</h3><table>{head}{lengths}</table>" if lengths else ""
    return (
        f"<h2>Statistics</h2><p>{statistics['readable']} readable files, {statistics['bytes'] / 1e6:.1f} MB in all.</p>"
        f'<div class="facts">{tables}</div>{lengths}{_scores(statistics["scores"])}'
        f"{_comparison(statistics.get('comparison'))}"
    )


def _length(title: str, spread: dict[str, float]) -> str:
    cells = "".join(f'<td class="n">{spread[key]:g}</td>' for key in ("min", "median", "max", "total"))
    return f"<tr><td>{title}</td>{cells}</tr>"


def _counts(title: str, counts: dict[str, int]) -> str:
    pairs = list(counts.items())
    rest = sum(count for _, count in pairs[_SHOWN:])
    shown = pairs[:_SHOWN] + ([(f"{len(pairs) - _SHOWN} others", rest)] if rest else [])
    rows = "".join(f'<tr><td>{escape(value)}</td><td class="n">{count}</td></tr>' for value, count in shown)
    return f"<div><table><tr><th>{title}</th><th>files</th></tr>{rows}</table></div>"


def _comparison(comparison: dict[str, Any] | None) -> str:
    """Synthetic against wild images; nothing for a set without both."""
    if not comparison:
        return ""
    rows = "".join(
        f"<tr><td>{escape(TITLES[name])}</td>"
        + "".join(f'<td class="n">{row[key]:.4g}</td>' for key in ("synthetic", "wild", "ks"))
        + "</tr>"
        for name, row in comparison["rows"].items()
    )
    sets = f"{comparison['synthetic']} low-resolution images of pairs, {comparison['wild']} wild images"
    heads = "".join(f"<th>{head}</th>" for head in ("statistic", "synthetic, median", "wild, median", "KS distance"))
    return (
        f"<h3>Synthetic against wild</h3><p>{sets}. Kolmogorov-Smirnov distances of equal distributions are above "
        f"{comparison['chance']:.2f} once in twenty times.</p><table><tr>{heads}</tr>{rows}</table>"
    )


def _scores(scores: dict[str, Any]) -> str:
    parts = []
    for split, facts in scores.items():
        parts.append(
            f"<h3>Scores of {escape(split)}</h3><p>{facts['n']} scores, mean {facts['mean']:.3f}, standard deviation "
            f"{facts['sd']:.3f}, from {facts['min']:g} to {facts['max']:g}</p>"
            + histogram(facts["edges"], facts["counts"], "score")
        )
    return "".join(parts)
