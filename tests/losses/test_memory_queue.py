"""The memory stands in for a larger batch, goes into a checkpoint, and keeps out of everything but training."""

import pytest
import torch

from losses.combined import CombinedLoss, LossTerm
from losses.fidelity import FidelityLoss
from losses.memory_queue import MemoryQueue, content_codes
from losses.plcc import PLCCLoss
from losses.soft_srcc import SoftSRCCLoss

torch.set_num_threads(1)
INNER = {"plcc": PLCCLoss(), "srcc": SoftSRCCLoss(), "same content": FidelityLoss(same_content_only=True)}


def rows(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    generator = torch.Generator().manual_seed(seed)
    y = 3 + torch.randn(n, generator=generator)
    return y + 0.5 * torch.randn(n, generator=generator), y, [f"c{row // 3}" for row in range(n)]


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
def test_two_batches_in_a_row_are_one_batch_with_gradient_in_the_second_only(inner) -> None:
    p, y, content = rows(12)
    queue = MemoryQueue(inner, size=8)
    queue(p[:8], y[:8], content[:8])
    late = p[8:].clone().requires_grad_()
    value = queue(late, y[8:], content[8:])
    whole = p.clone().requires_grad_()
    expected = inner(whole, y, content)
    expected.backward()
    value.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(late.grad, whole.grad[8:])
    assert late.grad.abs().sum() > 0


def test_only_the_last_scores_are_remembered() -> None:
    p, y, _ = rows(20)
    queue = MemoryQueue(PLCCLoss(), size=8)
    for start in range(0, 16, 4):
        queue(p[start : start + 4], y[start : start + 4])
    torch.testing.assert_close(queue(p[16:], y[16:]), PLCCLoss()(p[8:], y[8:]))
    one = MemoryQueue(PLCCLoss(), size=8)
    one(p[:16], y[:16])
    torch.testing.assert_close(one(p[16:], y[16:]), PLCCLoss()(p[8:], y[8:]))


def test_a_batch_too_small_by_itself_counts_once_there_is_a_memory() -> None:
    p, y, _ = rows(6)
    loss = CombinedLoss({"plcc": LossTerm(MemoryQueue(PLCCLoss(), size=8))})
    assert loss(p[:2], y[:2]) == 0 and loss.parts["skipped"] == 1
    assert loss(p[2:4], y[2:4]) > 0 and loss.parts["skipped"] == 0


def test_a_restored_memory_goes_on_bit_for_bit() -> None:
    p, y, content = rows(12)
    whole, stopped, resumed = (MemoryQueue(SoftSRCCLoss(), size=8) for _ in range(3))
    for queue in (whole, stopped):
        queue(p[:6], y[:6], content[:6])
    resumed.load_state_dict(stopped.state_dict())
    assert torch.equal(resumed(p[6:], y[6:], content[6:]), whole(p[6:], y[6:], content[6:]))


def test_outside_of_training_there_is_no_memory() -> None:
    p, y, content = rows(12)
    queue = MemoryQueue(PLCCLoss(), size=8)
    queue(p[:6], y[:6], content[:6])
    before = {name: value.clone() for name, value in queue.state_dict().items()}
    assert torch.equal(queue.eval()(p[6:], y[6:]), PLCCLoss()(p[6:], y[6:]))
    assert all(torch.equal(value, before[name]) for name, value in queue.state_dict().items())


def test_codes_of_contents_mean_the_same_in_every_batch() -> None:
    device = torch.device("cpu")
    first, second = content_codes(["a", "b"], device), content_codes(["b", "c"], device)
    assert first[1] == second[0] and len({*first.tolist(), *second.tolist()}) == 3
    assert content_codes([7, 2**62], device).tolist() == [7, 2**62]


def test_a_size_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        MemoryQueue(PLCCLoss(), size=0)
