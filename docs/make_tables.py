"""Rewrite the tables of the docs that are made from the configs: `make docs`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

RECIPES = ROOT / "configs/exp/kvq"
PAGE = ROOT / "docs/recipes.md"
BEGIN, END = "<!-- made by `make docs` from the configs -->", "<!-- end -->"


def header(path: Path) -> tuple[str, str]:
    """First comment line and fidelity of a config."""
    lines = path.read_text(encoding="utf-8").splitlines()
    said = next((line for line in lines if line.startswith("# fidelity: ")), "")
    fidelity = said.removeprefix("# fidelity: ").partition(".")[0].partition(" ")[0]
    return lines[0].removeprefix("# "), fidelity


def table() -> str:
    """One row a recipe: what it is, fidelity, cost; counted afresh on the meta device."""
    from experiments.budget import figures

    rows = ["| config | what | fidelity | GMACs | params M |", "| --- | --- | --- | --- | --- |"]
    for path in sorted(RECIPES.glob("*.yaml")):
        what, fidelity = header(path)
        cost = figures(path)
        rows.append(f"| `{path.stem}` | {what} | {fidelity} | {cost['gmacs']:.2f} | {cost['params_m']:.2f} |")
    return "\n".join(rows)


def with_table(page: str, made: str) -> str:
    """The page with the text between its two marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def main() -> None:
    """Rewrite the page in place."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")


if __name__ == "__main__":
    main()
