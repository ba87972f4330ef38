"""Memory and disks that ran out are one sentence with the key to lower; other errors stay what they are."""

import sys
import types

import pytest
import torch

from experiments import __main__ as experiments
from runtime.exhausted import exhausted


@pytest.mark.parametrize(
    ("error", "command", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "fit", "lower data.init_args.batch_size (and raise"),
        (MemoryError(), "validate", "validate: out of memory (MemoryError); lower data.init_args.batch_size or"),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's"),
            "fit",
            "/dev/shm: a data worker ran out of shared memory",
        ),
        (RuntimeError("unable to write to file </torch_1_2_3>: No space left on device (28)"), "fit", "--shm-size 8g"),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
            "fit",
            "lower data.init_args.num_workers",
        ),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "predict", "predict: a disk is full"),
    ],
)
def test_every_kind_has_its_sentence(error, command, told):
    found = exhausted(error, command)
    assert found is not None and told in str(found) and found.exit_code == 1


def test_other_errors_are_left_alone():
    assert exhausted(RuntimeError("shapes differ"), "fit") is None
    assert exhausted(OSError(13, "Permission denied", "x"), "fit") is None


def test_a_command_that_runs_out_says_so_in_one_line(monkeypatch, capsys):
    def run(args):
        raise MemoryError("12 GiB asked for")

    stand_in = types.SimpleNamespace(__doc__="x", add_arguments=lambda parser: None, run=run)
    monkeypatch.setitem(sys.modules, "experiments.score", stand_in)
    assert experiments.main(["score"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: score: out of memory (12 GiB asked for); ") and told.count("\n") == 1
