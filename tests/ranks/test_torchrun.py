"""Two nodes under torchrun, on one machine: one run folder, each clip judged once."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from records.files import read_json
from records.runs import read_metrics
from tests.command import ROOT, TINY, environment
from tests.ranks.families import LEARN, clips
from tests.ranks.outcome import predictions, scores

NODES = ("--trainer.num_nodes", "2", "--trainer.devices", "1", "--trainer.strategy", "ddp")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def on_two_nodes(*words: object, cwd: Path) -> list[str]:
    """`torchrun ... train.py WORDS` once a node; what each printed."""
    place = ("--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={free_port()}")
    torchrun = (sys.executable, "-m", "torch.distributed.run", *place)
    nodes = [
        subprocess.Popen(
            [*torchrun, f"--node-rank={node}", str(ROOT / "train.py"), *map(str, words)],
            cwd=cwd,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        for node in (0, 1)
    ]
    try:
        printed = [node.communicate(timeout=600)[0] for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(printed)
    return printed


@pytest.mark.slow
def test_two_nodes_train_and_test_in_one_run_folder(tmp_path: Path) -> None:
    clips(tmp_path)
    words = ("--config", TINY, *LEARN)
    on_two_nodes("fit", *words, *NODES, cwd=tmp_path)
    first, second = on_two_nodes("test", *words, *NODES, cwd=tmp_path)
    assert "95 % interval" in first and "95 % interval" not in second
    (run,) = (path for path in (tmp_path / "runs").glob("*/*") if path.is_dir())
    status = read_json(run / "status.json")
    assert (status["state"], status["world_size"]) == ("finished", 2)
    # The score that the ranks computed together is the one that the first finds in the table.
    measured = [row["val/final_score"] for row in read_metrics(run) if "val/final_score" in row]
    assert max(measured) == pytest.approx(scores(run)["val score"], abs=1e-6)
    rows = {name for name in predictions(run) if name.startswith("test")}
    assert len(rows) == scores(run)["test n"] == 7
