"""What is printed of the scores, and the table of every picture."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.score_kwaisr.folders import DOMAINS, Item
from experiments.score_kwaisr.scoring import Values
from metrics.sr.kwai_score import TERMS
from metrics.sr.registry import METRICS
from records.files import atomic_path

_CONVENTION = {"official": "Y, crop 4", "rgb": "RGB"}


def metric_title(name: str, facts: Mapping[str, Any]) -> str:
    """Name of a metric in tables, with the convention or the model that it rests on."""
    if name == "niqe" and facts["niqe_model"]:
        return str(facts["niqe_model"]["name"]).replace("niqe", "NIQE", 1)
    told = METRICS[name].title
    return f"{told} ({_CONVENTION[facts['preset']]})" if name in ("psnr", "ssim", "ms_ssim") else told


def print_tables(scores: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any], missing: Mapping[str, str]) -> None:
    """Print the submission's scores, other systems' beside them, and how to bring what is missing."""
    from rich.console import Console
    from rich.table import Table

    ours = scores["submission"]
    counts = ", ".join(
        f"{ours['n'][domain]} {domain} pictures (photographs: {ours['photographs'][domain]})" for domain in DOMAINS
    )
    console = Console(soft_wrap=True)
    table = Table(title=f"Preset {facts['preset']}: {counts}", title_justify="left")
    for column in ("score", "over", "value", "95 % interval", *(name for name in scores if name != "submission")):
        table.add_column(column, justify="left" if column in ("score", "over") else "right")
    for name in names_of(scores):
        ends = ours["interval"].get(name)
        beside = [figure(found[name]) for system, found in scores.items() if system != "submission"]
        where = METRICS[name].split
        table.add_row(
            f"{metric_title(name, facts)} {'↑' if METRICS[name].direction == 'higher' else '↓'}",
            "all" if where == "all" else where,
            figure(ours[name]),
            f"{ends[0]:.4f} .. {ends[1]:.4f}" if ends else "",
            *beside,
        )
    table.add_section()
    terms = ", ".join(name for name in TERMS if name not in facts["missing"])
    for name, told in (("score", "challenge score"), ("score_partial", f"partial score: {terms}")):
        if name in ours:
            ends = ours["interval"].get(name)
            beside = [figure(found.get(name)) for system, found in scores.items() if system != "submission"]
            span = f"{ends[0]:.4f} .. {ends[1]:.4f}" if ends else ""
            table.add_row(told, "", figure(ours[name]), span, *beside)
    console.print(table)
    console.print(f"{facts['convention'][0].upper()}{facts['convention'][1:]}; means over saved 8-bit files.")
    if ours["psnr"] is None and "psnr" not in facts["missing"]:
        console.print("PSNR is infinite, and so is the sum: a picture equals its original.")
    for domain in DOMAINS:
        if not ours["n"][domain]:
            console.print(f"No {domain} pictures on both sides, so no terms of theirs.")
    for told in missing.values():
        console.print(told, markup=False, highlight=False)
    if "score_partial" in ours:
        console.print("A partial score lacks terms: it compares with no whole one, and with no other set of terms.")


def names_of(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Metrics that some system has a value of."""
    return [name for name in METRICS if any(found.get(name) is not None for found in scores.values())]


def figure(value: float | None) -> str:
    """Four decimals, or a dash."""
    return "-" if value is None else f"{value:.4f}"


def write_table(
    path: Path, systems: Mapping[str, Sequence[Item]], values: Mapping[str, Values], facts: Mapping[str, Any]
) -> None:
    """Write one row a system and picture: ``system,id,group,preset,convention`` and a column for each metric."""
    names = list(values["submission"])
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["system", "id", "group", "preset", "convention", *names])
        for system, items in systems.items():
            for item in items:
                row = [values[system][name].get(item.id, "") for name in names]
                writer.writerow([system, item.id, item.group, facts["preset"], facts["convention"], *row])
