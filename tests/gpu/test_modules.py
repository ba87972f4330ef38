"""Every training rule fits, goes on and predicts in bf16-mixed on one accelerator, through the public command."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from records.files import read_json, read_lines
from tests.command import TINY, train
from tests.gpu.accelerators import GPU, cpu, words
from tests.ranks.families import FAMILIES, SIZES, Family
from tests.ranks.outcome import pictures, predictions

FIRST, SECOND = "DiffusionSR, pixel", "DiffusionSR, semantic"
KIND = {"gpu": "cuda", "cpu": "cpu"}
CASES = [
    pytest.param(name, *accelerator.values, marks=accelerator.marks, id=f"{name}-{accelerator.values[0]}")
    for name in FAMILIES
    for accelerator in (GPU, cpu(pytest.mark.slow if name == "VQAStudent" else pytest.mark.prove))
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The workplace of an accelerator and a family, with its data; families of one kind of data share it."""
    base = tmp_path_factory.mktemp("accelerators")

    def made(accelerator: str, name: str) -> Path:
        data = FAMILIES[name].data
        folder = base / f"{accelerator}-{data.__name__}"
        if not folder.is_dir():
            folder.mkdir()
            data(folder)
        return folder

    return made


def watched(file: Path) -> tuple[str, ...]:
    return ("--trainer.callbacks+=tests.gpu.placement.Placement", f"--trainer.callbacks.file={file}")


def begun(name: str, accelerator: str, workplace: Path) -> tuple[str, ...]:
    """The words of a family's fit, for a second stage once the fit that it stands on is done."""
    typed = (*FAMILIES[name].words, *words(accelerator))
    if name != SECOND:
        return typed
    # Another run than the one that is looked at, whichever test comes first.
    best = FAMILIES[FIRST].run(workplace, "first") / "checkpoints/best.ckpt"
    if not best.is_file():
        first = begun(FIRST, accelerator, workplace)
        done = train("fit", *first, "--run.variant", "first", cwd=workplace, timeout=900)
        assert done.returncode == 0, done.stderr
    stands_on = ("--model.init_args.pixel_adapter=true", f"--model.init_args.init_from={best}")
    return (*typed, *stands_on)


@pytest.mark.parametrize(("name", "accelerator"), CASES)
def test_a_rule_fits_goes_on_and_predicts_in_bf16(
    name: str, accelerator: str, place: Callable[[str, str], Path]
) -> None:
    family, workplace = FAMILIES[name], place(accelerator, name)
    typed = begun(name, accelerator, workplace)
    seen = workplace / f"{family.experiment}.jsonl"
    typed = (*typed, *watched(seen))
    for epochs in (1, 2):
        done = train("fit", *typed, "--trainer.max_epochs", epochs, cwd=workplace, timeout=900)
        assert done.returncode == 0, done.stderr
        assert ("going on from" in done.stdout) == (epochs == 2), done.stdout
    done = train("predict", *typed, *family.judging(workplace), cwd=workplace, timeout=900)
    assert done.returncode == 0, done.stderr

    lines = read_lines(seen)
    assert [line["command"] for line in lines] == ["fit", "fit", "predict"]
    assert {line["device"] for line in lines} == {KIND[accelerator]}
    assert {line["precision"] for line in lines} == {"bf16-mixed"} and all(line["steps"] > 0 for line in lines)
    assert not any(line["constants"] for line in lines), "copied to the device in every step"
    check_run(family, family.run(workplace, "base"))


def check_run(family: Family, run: Path) -> None:
    status, summary = read_json(run / "status.json"), read_json(run / "summary.json")
    assert status["state"] == "finished" and status["epoch"] == 2
    state = torch.load(run / "checkpoints/last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    assert state and all(value.isfinite().all() for value in state.values() if value.is_floating_point())
    made = [*pictures(run), *(name for name in predictions(run) if name.startswith("predict "))]
    assert len(made) == SIZES["predict"], made
    if family.experiment == "tiny_student":
        from experiments.budget import figures

        assert summary["gmacs"] == pytest.approx(figures(TINY)["gmacs"], abs=0)


@pytest.mark.parametrize("accelerator", [GPU, cpu(pytest.mark.prove)])
def test_a_fit_as_one_rank_of_a_process_group(accelerator: str, place: Callable[[str, str], Path]) -> None:
    workplace = place(accelerator, "VQAStudent")
    typed = begun("VQAStudent", accelerator, workplace)
    seen = workplace / "ddp.jsonl"
    more = ("--trainer.strategy", "ddp", "--run.variant", "ddp", "--trainer.max_epochs", "1")
    done = train("fit", *typed, *watched(seen), *more, cwd=workplace, timeout=900)
    assert done.returncode == 0, done.stderr
    (line,) = read_lines(seen)
    assert line["backend"] == {"gpu": "nccl", "cpu": "gloo"}[accelerator] and line["device"] == KIND[accelerator]
    run = FAMILIES["VQAStudent"].run(workplace, "ddp")
    assert read_json(run / "status.json")["state"] == "finished" and read_json(run / "summary.json")["val"]["n"] == 5
