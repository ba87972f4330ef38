"""Every error is one sentence with a place and a mend, told in one place; docs/errors.md lists them all."""

import ast
import re
from pathlib import Path

import pytest

from tests.command import ROOT
from tests.errors.sources import error_sites, make_errors

# Sites that say no mend or no place of their own, and why that is right.
BARE = {
    ("runtime/parser.py", "<message>"): "the parser does not say where",
    ("experiments/budget.py", "<error>"): "the network's sentence brings its mend",
    ("experiments/enhance_files.py", "<known> and <file> would both be written to <result>"): "the two files are named",
    ("lightning_modules/vqa_expert.py", "<error>"): "the weights' sentence brings its mend",
    ("lightning_modules/vqa_task.py", "<error>"): "the weights' sentence brings its mend",
}
# Where an error may be printed, or end the process.
TELLERS = {"runtime/entry.py", "runtime/cli.py", "experiments/__main__.py", "train.py"}
ENDINGS = {
    "experiments/ladder/content.py": "a child whose parent was killed ends with it",
    "runtime/stop_signals.py": "a second signal ends a command that does not come to its end",
    "runtime/launcher_watch.py": "a rank whose launcher was killed ends with it",
    "experiments/data_report/processes.py": "a child whose parent was killed ends with it",
}
SOURCES = [*error_sites.sources(), ROOT / "train.py"]
SITES = error_sites.sites()
OURS = [site for site in SITES if site.kind in error_sites.exit_codes()]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_error_says_where_it_is_and_how_to_mend_it():
    found = {(site.file, site.what) for site in OURS if not (site.mend and site.where)}
    lacking = found - set(BARE)
    assert not lacking, f"name where= and mend= there, or list it with a reason: {sorted(lacking)}"
    assert not {(file, what) for file, what in BARE if (file, what) not in found}, "no longer needs its exception"


@pytest.mark.parametrize("part", ["what", "where", "mend"])
def test_errors_are_parts_of_one_sentence(part):
    texts = {f"{site.file}:{site.lines[0]}": getattr(site, part) for site in SITES}
    # A full stop would stand before the ";" of the sentence; "..." goes on, and .csv is a name.
    ended = [place for place, text in texts.items() if re.search(r"(?<![. ])[.!;:,]$", text)]
    begun = [place for place, text in texts.items() if re.match(r"(The|A|An|Please|Error|Could|Cannot|No)\b", text)]
    broken = [place for place, text in texts.items() if "\n" in text or "  " in text]
    assert not ended + begun + broken


def test_exit_codes_are_those_of_the_contract():
    assert error_sites.exit_codes()["UserError"] == 2 and error_sites.exit_codes()["CheckFailed"] == 1
    assert set(error_sites.exit_codes().values()) == {1, 2}


def test_no_error_without_a_kind_is_raised():
    for path in SOURCES:
        for node in ast.walk(error_sites.tree_of(path)):
            if isinstance(node, ast.Raise) and node.exc is not None:
                raised = ast.unparse(node.exc).partition("(")[0]
                assert raised not in ("Exception", "BaseException", "AssertionError", "SystemExit"), (
                    f"{name_of(path)}:{node.lineno} raises {raised}; raise a UserError"
                )


def test_errors_are_told_and_processes_ended_in_one_place_alone():
    for path in SOURCES:
        for node in ast.walk(error_sites.tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            called, place = ast.unparse(node.func), f"{name_of(path)}:{node.lineno}"
            words = " ".join(ast.unparse(argument) for argument in node.args)
            if called in ("sys.exit", "exit", "quit", "os._exit", "os.abort"):
                assert words == "main()" or name_of(path) in {*TELLERS, *ENDINGS}, (
                    f"{place} ends the process; raise a UserError"
                )
                assert "'" not in words, f"{place} ends the process with a text; raise a UserError"
            if called == "print":
                telling = re.match(r"f?['\"]error\b", words, re.I)
                assert not telling or name_of(path) in TELLERS, f"{place} prints an error; raise a UserError"


def test_the_page_of_all_errors_is_up_to_date():
    told = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    assert told == make_errors.page(), "an error changed: run `make docs`"


def test_the_words_of_every_error_stand_on_the_page():
    page = " ".join(make_errors.page().split())
    for site in SITES:
        if make_errors.has_words(site.what):
            words = max(re.split(r"<[^<>]*>", site.what), key=len).strip()
            assert words.replace("|", r"\|") in page, f"{site.file}:{site.lines[0]}"
    assert "Everything else" not in page, "name a group of GROUPS for the new folder"
