"""The page of promises names tests that exist and figures that were measured, and is not stale."""

import importlib.util
from types import ModuleType

import pytest

from tests.command import ROOT


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reliability", ROOT / "docs/make_reliability.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_promise_names_tests_that_exist(maker: ModuleType) -> None:
    for row in maker.promises():
        assert row["tests"], row["promise"]
        for test in row["tests"]:
            file, _, name = test.partition("::")
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), test


def test_every_figure_that_was_measured_is_shown(maker: ModuleType) -> None:
    keys = tuple(row["key"] for row in maker.promises() if "key" in row)
    figures, page = maker.figures(), maker.PAGE.read_text(encoding="utf-8")
    assert figures and not [name for name in figures if not name.startswith(keys)]
    assert not [told for told in figures.values() if told not in page]
    assert maker.figure("no such figure", figures) == "not measured yet"


def test_the_page_is_as_it_would_be_made_now(maker: ModuleType) -> None:
    page = maker.PAGE.read_text(encoding="utf-8")
    assert maker.with_table(page) == page
