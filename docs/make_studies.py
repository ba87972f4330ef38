"""Put the figures of finished studies on their pages: docs/study-NAME.md gets what studies/NAME/report.md says."""

import argparse
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
BEGIN = "<!-- made by `make prove` from the report of the study -->"
# Sections that only say which machine and commit it was.
LEFT_OUT = ("What differs", "Made from", "Jobs")


def main() -> None:
    """Rewrite the pages in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", type=Path, help="folder that holds NAME/report.md of each study")
    for report in sorted(parser.parse_args().studies.glob("*/report.md")):
        page = HERE / f"study-{report.parent.name}.md"
        page.write_text(with_figures(page.read_text(encoding="utf-8"), report.read_text(encoding="utf-8")), "utf-8")


def with_figures(page: str, report: str) -> str:
    """The page with all below its mark replaced by the report's figures."""
    before, mark, _ = page.partition(BEGIN)
    if not mark:
        raise SystemExit(f"error: a page of a study has no line {BEGIN!r}; add it where the figures are to stand")
    return f"{before}{BEGIN}\n\n{figures(report)}"


def figures(report: str) -> str:
    """Tables and sentences of a report, one heading deeper, without pictures, and the minutes that its jobs took."""
    sections = re.split(r"^(?=##+ )", report, flags=re.MULTILINE)
    minutes = sum(map(float, re.findall(r"^\| [^|]+ \| done \| ([\d.]+) \|$", sections[-1], re.MULTILINE)))
    kept = [section for section in sections[1:] if not section.lstrip("# ").startswith(LEFT_OUT)]
    text = re.sub(r"^!\[[^\n]*\)\n?", "", "".join(kept), flags=re.MULTILINE)
    text = re.sub(r"^#(?=#)", "##", text, flags=re.MULTILINE)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return f"{text}\n\nAll jobs together took {minutes:.1f} minutes of commands.\n"


if __name__ == "__main__":
    main()
