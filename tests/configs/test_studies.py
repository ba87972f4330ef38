"""Every study hangs together, and its runs read their configurations to the last key."""

from pathlib import Path

import pytest

from experiments.pipeline.plan import Job, plan
from experiments.pipeline.study_file import read_study
from tests.command import ROOT, experiments

FILES = sorted((ROOT / "configs/study").glob("*.yaml"))
BY_NAME = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def jobs(path: Path) -> list[Job]:
    return plan(read_study(path), Path("studies") / path.stem)


@BY_NAME
def test_the_header_says_what_it_is_and_how_to_run_it(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ") and any(line.startswith("# fidelity: ") for line in lines)
    assert any(f"python -m experiments study configs/study/{path.name}" in line for line in lines)


@BY_NAME
def test_its_files_exist_and_its_results_are_made(path: Path) -> None:
    study = read_study(path)
    assert study.report
    for job in jobs(path):
        for word in job.words:
            if word.startswith("configs/"):
                assert (ROOT / word).is_file(), word


@BY_NAME
def test_its_runs_read_their_configurations(
    path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtime.cli import run

    monkeypatch.chdir(ROOT)
    seen = set()
    for job in jobs(path):
        # One seed says it all.
        words = job.words[2:] if job.words[1:2] == ("train.py",) else ()
        if not words or (key := (job.stage.name, *(v for axis, v in job.cell.items() if axis != "seed"))) in seen:
            continue
        seen.add(key)
        with pytest.raises(SystemExit) as ended:
            run([*words, "--print_config"])
        assert ended.value.code == 0, capfd.readouterr().err


@pytest.mark.slow
@BY_NAME
def test_snakemake_reads_the_plan(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("snakemake")
    done = experiments("study", path, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{len(jobs(path))} jobs, 0 done" in done.stdout
