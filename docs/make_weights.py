"""Rewrite the tables of docs/weights.md from configs/weights.toml and the recipes: `python docs/make_weights.py`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PAGE = ROOT / "docs/weights.md"
BEGIN, END = "<!-- made from configs/weights.toml -->", "<!-- end -->"


def with_tables(page: str) -> str:
    """The page with what stands between its two marks made anew."""
    from experiments.diagnosis.weight_table import page_tables

    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{page_tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
