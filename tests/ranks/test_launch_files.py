"""Launch files are sound bash, and what they start is a command that train.py understands to its last key."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.entry import main
from tests.command import ROOT

FILES = sorted((ROOT / "configs/launch").iterdir())
RECIPE = "configs/exp/kvq/sharpmind_student.yaml"
GIVEN = ("fit", "--config", RECIPE, "--data.init_args.root", "a folder")
SET = {
    "one_node.sh": {},
    "nodes.sh": {"NODE": "1", "NODES": "3", "GPUS": "4", "HEAD": "localhost"},
    "slurm.sbatch": {"SLURM_NNODES": "3", "SLURM_NTASKS_PER_NODE": "4", "SLURM_ARRAY_TASK_ID": "2"},
}
STARTED = {
    "one_node.sh": ["torchrun", "--standalone", "--nproc-per-node=gpu"],
    "nodes.sh": ["torchrun", "--nnodes=3", "--node-rank=1", "--nproc-per-node=4", "--master-addr=localhost"],
    "slurm.sbatch": ["srun", "python"],
}
WANTED = {"one_node.sh": (1, -1, 0), "nodes.sh": (3, 4, 0), "slurm.sbatch": (3, 4, 2)}

every = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def started(path: Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a file where torchrun and srun only say what they were given, a word a line."""
    for name in ("torchrun", "srun"):
        (folder / name).write_text(f'#!/usr/bin/env bash\nprintf "%s\\n" {name} "$@"\n')
        (folder / name).chmod(0o755)
    env = {"PATH": f"{folder}:{os.environ['PATH']}", **variables}
    return subprocess.run(["bash", str(path), *GIVEN], env=env, capture_output=True, text=True, check=False)


def test_there_is_a_file_for_each_way_to_launch() -> None:
    assert {path.name for path in FILES} == WANTED.keys()


@every
def test_the_command_is_one_of_train_py(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = started(path, tmp_path, **SET[path.name])
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()
    at = words.index("train.py")
    assert words[:at][: len(STARTED[path.name])] == STARTED[path.name]
    assert words[at + 1 : at + 1 + len(GIVEN)] == [*GIVEN]
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as leaving:
        main([*words[at + 1 :], "--print_config"])
    assert not leaving.value.code
    config: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    trainer = config["trainer"]
    assert (trainer["num_nodes"], int(trainer["devices"]), config["seed_everything"]) == WANTED[path.name]
    assert (trainer["accelerator"], trainer["strategy"]) == ("gpu", "ddp")
    assert config["data"]["init_args"]["root"] == "a folder"


@every
def test_a_missing_variable_is_named(path: Path, tmp_path: Path) -> None:
    for name in SET[path.name].keys() - {"SLURM_ARRAY_TASK_ID"}:
        some = {key: value for key, value in SET[path.name].items() if key != name}
        done = started(path, tmp_path, **some)
        assert done.returncode and name in done.stderr and "train.py" not in done.stdout


@every
def test_it_is_sound_bash_that_says_what_is_untested(path: Path) -> None:
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    text = path.read_text(encoding="utf-8")
    assert "untested" in text.lower() and "GPUs" in text and "set -euo pipefail" in text
    # Words that begin with a slash, or a home.
    assert not re.search(r"(?<![\w.$}*])(/(?!usr/bin/env)\w|~/)", text)
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_slurm_sends_the_signal_and_may_requeue() -> None:
    options = re.findall(r"^#SBATCH (\S+)", (ROOT / "configs/launch/slurm.sbatch").read_text(), re.MULTILINE)
    assert {"--signal=SIGUSR1@90", "--requeue", "--open-mode=append", "--array=0-2"} <= {*options}
