"""Rewrite docs/errors.md, every error a user can cause, from the source: `make docs`."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from error_sites import Site, exit_codes, sites  # noqa: E402

PAGE = ROOT / "docs/errors.md"
INTRODUCTION = """\
# Every error that you can cause

Made from the source by `make docs`; search it for the words of your message. A message is one line on stderr,
`error: WHERE: WHAT; THE MEND`. Here `<name>` stands for a value, and ` / ` between what may be said. An error that ends
in a traceback is a fault of ours.

Exit codes: 0 done; 1 a check did not hold; 2 the input is wrong; 130, 138, 143 stopped by a signal. Where the table
says *file*, the error is about one video or picture: in a set it is counted, listed (`quarantine.csv` of the run, the
column `error` of a table) and passed over; it ends a command only where that file is all there is, or the configuration
says `on_unreadable: fail`.
"""
# What a reader looks under, and the files whose errors stand there; the first that fits counts.
GROUPS = (
    ("Commands, configurations and runs of `train.py`", ("runtime/",)),
    ("`assess`", ("experiments/assess.py",)),
    ("`budget`", ("experiments/budget.py", "metrics/macs.py", "callbacks/gflops_budget.py")),
    ("`check-data`", ("experiments/check_data.py", "experiments/data_report/")),
    ("`doctor`", ("experiments/doctor",)),
    ("`enhance`", ("experiments/enhance", "models/sr/baselines.py", "models/sr/real_esrgan.py", "models/sr/ncnn")),
    ("`prepare ladder`", ("experiments/ladder/",)),
    ("`prepare features`", ("experiments/features/",)),
    (
        "`prepare`, every other set",
        ("experiments/prepare", "experiments/build", "experiments/mini_", "experiments/tiny"),
    ),
    ("`score kvq`", ("experiments/score_kvq.py",)),
    ("`score kwaisr`", ("experiments/score_kwaisr/", "metrics/sr/")),
    ("`user-study`", ("experiments/user_study.py", "experiments/preference/", "records/votes.py")),
    ("Other commands of `python -m experiments`", ("experiments/",)),
    ("Tables, banks and other files that several commands read", ("records/",)),
    ("Videos, one by one, and the views of them", ("datamodules/video/", "datamodules/video_files.py")),
    ("Images and data sets of images", ("datamodules/image/", "datamodules/kwaisr.py", "datamodules/sr_candidates.py")),
    ("Data sets of videos", ("datamodules/",)),
    ("Models (`model:` of a configuration)", ("lightning_modules/",)),
    ("Callbacks", ("callbacks/",)),
    ("Quality networks and their weights", ("models/vqa/",)),
    ("Super-resolution networks and their weights", ("models/",)),
    ("Losses and metrics", ("losses/", "metrics/")),
)


def group_of(site: Site) -> str:
    """Heading that an error stands under."""
    return next((title for title, files in GROUPS if site.file.startswith(files)), "Everything else")


def has_words(text: str) -> bool:
    """Whether a sentence says anything of its own; one that is all values passes on what another row says."""
    return bool(re.search(r"[a-z]{2}", re.sub(r"<[^<>]*>", "", text)))


def row_of(site: Site) -> str:
    """The row of the page."""
    passed_over = site.kind in ("UnreadableVideo", "UnreadableImage")
    code = "file" if passed_over else str(exit_codes().get(site.kind, 2))
    return f"| {_code(site.what)} | {_code(site.where)} | {_code(site.mend)} | {code} |"


def page() -> str:
    """The whole page."""
    rows: dict[str, list[str]] = {title: [] for title, _ in GROUPS}
    for site in sites():
        if has_words(site.what):
            rows.setdefault(group_of(site), []).append(row_of(site))
    head = ["| what | where | the mend | exit |", "| --- | --- | --- | --- |"]
    parts = [f"## {title}\n\n" + "\n".join([*head, *dict.fromkeys(each)]) for title, each in rows.items() if each]
    return "\n\n".join([INTRODUCTION.rstrip(), *parts]) + "\n"


def _code(text: str) -> str:
    if not text:
        return ""
    fence = "``" if "`" in text else "`"
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
