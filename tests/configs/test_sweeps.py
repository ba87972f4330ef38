"""Every sweep file is one that W&B takes and that a run can read to its last key."""

import importlib.metadata
import json
from pathlib import Path

import pytest
import yaml

from tests.command import ROOT, experiments

pytest.importorskip("optuna")
FILES = sorted((ROOT / "configs/sweep").glob("*.yaml"))
BY_NAME = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KVQ", "KWAISR", "CHECKPOINT"):
        monkeypatch.setenv(name, f"{name.lower()}_folder")


@pytest.fixture(scope="module")
def schema() -> dict:
    """W&B's own schema of sweep files, out of its package ``sweeps``, whose code is not imported."""
    try:
        files = importlib.metadata.files("sweeps") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("W&B's schema is not here: pip install --no-deps -r weight-packages.txt")
    (file,) = [file for file in files if file.name == "schema.json"]
    return json.loads(Path(str(file.locate())).read_text(encoding="utf-8"))


@BY_NAME
def test_wandb_takes_the_file(path: Path, schema: dict) -> None:
    import jsonschema

    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)


def test_the_schema_refuses_what_is_wrong(schema: dict) -> None:
    import jsonschema

    wrong = yaml.safe_load(FILES[0].read_text(encoding="utf-8")) | {"method": "guess"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


@BY_NAME
def test_a_run_reads_a_drawn_trial(
    path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.search.dry import draw
    from experiments.search.space import space_of
    from experiments.search.sweep_file import read_sweep
    from runtime.cli import run

    monkeypatch.chdir(ROOT)
    sweep = read_sweep(path)
    space = space_of(sweep)
    values = space.values(draw(space, 0))
    words = sweep.words(values)
    assert words[2] == "train.py"
    with pytest.raises(SystemExit) as ended:
        run([*words[3:], "--print_config"])
    assert ended.value.code == 0, capfd.readouterr().err
    config = yaml.safe_load(capfd.readouterr().out)
    for name, value in values.items():
        found = config
        for part in name.split("."):
            found = found[part]
        assert found == value, name


def test_the_headers_say_how_to_run_them() -> None:
    for path in FILES:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# "), path
        assert any(f"python -m experiments sweep configs/sweep/{path.name}" in line for line in lines), path


@pytest.mark.slow
def test_a_dry_run_prints_the_command_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "train.py").symlink_to(ROOT / "train.py")
    done = experiments("sweep", "configs/sweep/mini_student.yaml", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--config configs/exp/kvq/mini_student.yaml" in done.stdout
    assert not (tmp_path / "sweeps").exists() and not (tmp_path / "runs").exists()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((ROOT / "configs/sweep/mini_student.yaml").read_text().replace("head_lr", "hand_lr"))
    done = experiments("sweep", wrong, "--dry-run", cwd=tmp_path)
    assert done.returncode == 2 and "hand_lr" in done.stderr


def test_trials_of_an_agent_have_folders_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from runtime.cli import run

    words = ["fit", "--config", str(ROOT / "tests/configs/tiny_student.yaml"), "--data.init_args.root", "nothing_here"]
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_RUN_ID", "trial9")
    seen = []
    monkeypatch.setattr("runtime.cli.CLI.before_instantiate_classes", lambda cli: seen.append(cli.run_folder.path))
    monkeypatch.setattr("runtime.cli.CLI.instantiate_classes", lambda cli: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(words) == 130
    assert seen == [Path("runs/tiny_student/base-trial9-seed0")]
