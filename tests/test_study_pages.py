"""Pages of studies hold the figures of a run, and each study has its page."""

import importlib.util
from types import ModuleType

import pytest

from tests.command import ROOT

REPORT = """# Study losses

- [comparison/report.md](comparison/report.md)

## test: score, baseline base

| variant | score |
|---|---|
| base | 0.8 |

### What differs

| key | base |
|---|---|

![scores.png](comparison/scores.png)


## Made from

- base: hash

## Jobs

| job | state | minutes |
|---|---|---|
| data | done | 1.5 |
| fit-seed_0 | done | 0.7 |
"""


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_studies", ROOT / "docs/make_studies.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_page_takes_tables_and_time_and_keeps_its_words(maker: ModuleType) -> None:
    page = maker.with_figures(f"# Losses\n\nWords.\n\n{maker.BEGIN}\n\nold figures\n", REPORT)
    assert page.startswith("# Losses\n\nWords.\n") and "old figures" not in page
    assert "### test: score, baseline base\n\n| variant | score |" in page and "| base | 0.8 |" in page
    assert "Made from" not in page and "](" not in page and "What differs" not in page
    assert page.endswith("All jobs together took 2.2 minutes of commands.\n")


def test_a_page_without_a_place_for_figures_is_told(maker: ModuleType) -> None:
    with pytest.raises(SystemExit, match="has no line"):
        maker.with_figures("# Losses\n", REPORT)


@pytest.mark.parametrize("study", sorted((ROOT / "configs/study").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_has_a_page_with_figures_of_a_run(study, maker: ModuleType) -> None:  # type: ignore[no-untyped-def]
    page = (ROOT / f"docs/study-{study.stem}.md").read_text(encoding="utf-8")
    assert f"python -m experiments study configs/study/{study.name}" in page
    assert "minutes of commands" in page.partition(maker.BEGIN)[2]
