import io
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from records.predictions import read_predictions
from runtime.end_screen import Ending, printable, show, with_change, with_interval
from tests.command import ROOT, TINY, train
from tests.tiny_kvq import make_tiny_kvq


def screen(ending: Ending, width: int = 100, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    show(ending, Console(file=file, width=width))
    file.flush()
    return raw.getvalue().decode(encoding)


def test_everything_stands_on_the_screen() -> None:
    worst = [f"data/val/{place}.mp4  label 1.00, predicted {4 - place:.2f}" for place in range(3)]
    told = screen(
        Ending(Path("runs/e/base-seed0"), "fit finished", {"val final": "0.9123"}, worst, "python train.py test")
    )
    assert "fit finished: runs/e/base-seed0" in told
    assert re.search(r"val final +0\.9123", told)
    assert [told.index(f"val/{place}.mp4") for place in range(3)] == sorted(
        told.index(f"{p}.mp4") - 4 for p in range(3)
    )
    assert "data/val/0.mp4  label 1.00, predicted 4.00" in told
    assert "\x1b" not in told  # plain where there is no terminal


def test_odd_names_neither_vanish_nor_reach_the_terminal() -> None:
    odd = "runs/[red] it[/red]/\x1b[2Jx\nseed \udce4"
    told = screen(Ending(Path(odd), "fit finished", {"[b]file": odd}, [odd], f"cat {odd}"), width=200)
    assert "\x1b" not in told and told.count(r"runs/[red] it[/red]/\x1b[2Jx\nseed \udce4") == 4
    assert "[b]file" in told


def test_a_console_without_unicode_is_served() -> None:
    told = screen(Ending(Path("runs/größe"), "fit finished", {"score": "0.9"}, next="x"), encoding="ascii")
    assert r"runs/gr\xf6\xdfe" in told
    assert printable("größe", "latin-1") == "größe"


def test_the_next_command_can_be_copied_however_long() -> None:
    command = "python train.py test " + " ".join(f"--key{number} value" for number in range(40))
    assert command in screen(Ending(Path("runs/e/base-seed0"), "fit finished", next=command), width=60)


def test_intervals_and_changes_in_words() -> None:
    assert with_interval(0.91234, (0.9, 0.95)) == "0.9123, 95 % interval 0.9000 to 0.9500 over contents"
    assert "no interval" in with_interval(0.9, None)
    assert with_change((0.02, 0.01, 0.03), "base").endswith("(better)")
    assert with_change((-0.02, -0.03, -0.01), "base").endswith("(worse)")
    assert "open" in with_change((0.02, -0.01, 0.03), "base")
    assert with_change((-0.02, -0.03, -0.01), "base", sign=-1).endswith("(better)")
    assert "no predictions for the same files" in with_change(None, "base")


@pytest.mark.slow
def test_a_fit_ends_on_its_screen_and_the_next_command_runs(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 3, val=2, test=2)
    words = ("fit", "--config", TINY, "--trainer.max_epochs", "1")
    first = train(*words, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    absent = train(*words, "--run.variant", "b", "--run.baseline", "tiny_student/none", cwd=tmp_path)
    assert absent.returncode == 2 and "tiny_student/none: no such run" in absent.stderr
    assert not (tmp_path / "runs/tiny_student/b-seed0").exists()
    second = train(*words, "--run.variant", "odd [b] #1", "--run.baseline", "tiny_student/base-seed0", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    told = second.stdout
    assert "runs/tiny_student/odd [b] #1-seed0" in told and "to tiny_student/base-seed0, 95 % interval" in told
    rows = read_predictions(tmp_path / "runs/tiny_student/odd [b] #1-seed0/predictions.parquet")
    worst = sorted(rows, key=lambda row: -abs(row.prediction - row.target))[:3]
    shown = re.findall(r"data/(\S+\.mp4)  label", told)
    assert shown == [row.id for row in worst]
    command = shlex.split(told.partition("next: ")[2].partition("\n")[0])
    assert command[:3] == ["python", "train.py", "test"] and (ROOT / "train.py").is_file()
    done = train(*command[2:], cwd=tmp_path)
    assert done.returncode == 0 and "test finished" in done.stdout, done.stderr


def test_the_next_command_names_a_checkpoint_that_is_there(tmp_path: Path) -> None:
    from lightning_modules.nafusion import NAFusionTask
    from runtime.finish import _next
    from runtime.image_outcome import ImageOutcome

    best = tmp_path / "best.ckpt"
    model = SimpleNamespace(checkpoint=None)
    cli = SimpleNamespace(subcommand="test", model=model, run_folder=SimpleNamespace(best=best))
    assert _next(cli, ImageOutcome.after) == "", "a blend has no checkpoint"
    best.touch()
    assert f"--checkpoint {best} " in _next(cli, ImageOutcome.after)
    model.after = NAFusionTask.after
    assert f"--fusion {best} " in _next(cli, ImageOutcome.after)
    model.checkpoint = str(tmp_path / "gone.ckpt")
    assert _next(cli, ImageOutcome.after) == ""
