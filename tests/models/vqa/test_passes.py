"""Quality networks in smaller passes after memory ran out: the same scores, and a word about it."""

import pytest
import torch
from torch import nn

from models.memory import is_out_of_memory
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork
from models.vqa.passes import Passes
from tests.stand_ins import HungryFrames

torch.set_num_threads(1)
VIEWS = {"frames": torch.randint(0, 256, (6, 4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator())}


def network(most: int) -> VQANetwork:
    torch.manual_seed(0)
    made = VQANetwork({"frames": HungryFrames("test_efficientnet", most)}, MLPHead(hidden=8)).eval()
    made.set_label_scale(3.0, 1.0)
    return made


@torch.no_grad()
def test_scores_do_not_depend_on_how_much_fits():
    whole = network(24)(VIEWS)
    hungry = network(2)
    passes = Passes(nn.ModuleList([hungry]))
    with pytest.warns(UserWarning, match="out of memory"):
        torch.testing.assert_close(passes(hungry, VIEWS), whole, atol=1e-5, rtol=0)
    assert passes.notes == [
        "out of memory: videos in one pass from 6 to 3",
        "out of memory: videos in one pass from 3 to 1",
        "out of memory: frames or clips of frames in one pass from 4 to 2",
    ]
    # What fitted is kept, and nothing is tried twice.
    scores, again = passes(lambda views: (hungry(views), hungry(views)), VIEWS)
    assert torch.equal(scores, again) and len(passes.notes) == 3


@torch.no_grad()
def test_what_does_not_fit_frame_by_frame_is_told_and_other_errors_are_left_alone():
    hungry = network(0)
    with pytest.warns(UserWarning), pytest.raises(MemoryError, match="one video, a frame or clip at a time"):
        Passes(hungry)(hungry, VIEWS)

    def broken(views):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        Passes(hungry)(broken, VIEWS)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("x"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_every_kind_of_want_of_memory_is_recognised(error):
    assert is_out_of_memory(error)


def test_a_real_allocation_that_fails_is_recognised():
    with pytest.raises(RuntimeError) as told:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(told.value)
    assert not is_out_of_memory(ValueError("out of memory")) and not is_out_of_memory(OSError(2, "no such file"))
