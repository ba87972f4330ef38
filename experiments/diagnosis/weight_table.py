"""The published checkpoints as a list on the terminal, as JSON, and as the page docs/weights.md."""

from pathlib import Path
from typing import Any

from experiments.diagnosis.weight_keys import experts, nodes
from experiments.diagnosis.weight_list import Weight, keys, weights
from experiments.diagnosis.weight_places import fault, get, place
from records.files import write_json


def rows() -> list[tuple[Weight, dict[str, list[str]]]]:
    """Each checkpoint with what takes it: key or command, to the recipes."""
    found, stored = nodes(), experts()
    return [
        (weight, {weight.command: stored.get(weight.expert, [])} if weight.command else keys(weight, found))
        for weight in weights()
    ]


def show_weights(root: Path, out: Path | None) -> int:
    """Print all of them, and return 1 when a file that is here is not the published one.

    Args:
        root: Folder of files that were fetched by hand.
        out: File to write them to as JSON; null for none.
    """
    told: list[dict[str, Any]] = []
    for weight, taken in rows():
        path = place(weight, root)
        wrong = fault(weight, path) if path else ""
        state = "wrong" if wrong else "found" if path else "elsewhere" if weight.expert else "missing"
        print(f"{state:<10}{weight.title}")
        lines = {"from": weight.source, "licence": weight.licence, "size": weight.size, "sha256": weight.hash}
        for key, recipes in taken.items():
            lines[key] = ", ".join(dict.fromkeys(recipes))
        if path:
            lines["place"] = f"{path}{': ' + wrong if wrong else ''}"
        if weight.remark:
            lines["remark"] = weight.remark
        if state in ("missing", "wrong"):
            lines["mend"] = get(weight, root)
        for name, line in lines.items():
            print(f"{'':<10}{name}: {line}" if line else f"{'':<10}{name}")
        told.append({"title": weight.title, "state": state, "fault": wrong, "place": str(path or ""), "takes": taken})
        told[-1] |= {"source": weight.source, "licence": weight.licence, "mib": weight.mib, "sha256": weight.sha256}
    count = {state: sum(row["state"] == state for row in told) for state in ("found", "missing", "elsewhere", "wrong")}
    print("\n" + ", ".join(f"{number} {state}" for state, number in count.items()))
    if out:
        write_json(out, {"weights": told, "counts": count})
    return int(count["wrong"] > 0)


def page_tables() -> str:
    """Both tables of docs/weights.md."""
    first = ["| checkpoint | published at | licence | size | SHA-256 |", "| --- | --- | --- | --- | --- |"]
    second = ["| checkpoint | taken by | of |", "| --- | --- | --- |"]
    for weight, taken in rows():
        digest = weight.hash if len(weight.hash) < 20 else f"{weight.hash[:16]}..."
        remark = f"; {weight.remark}" if weight.remark else ""
        first.append(f"| {weight.title} | {weight.source}{remark} | {weight.licence} | {weight.size} | {digest} |")
        for key, recipes in taken.items():
            second.append(f"| {weight.title} | `{key}` | {', '.join(dict.fromkeys(recipes))} |")
    return "\n".join([*first, "", *second])
