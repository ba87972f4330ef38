"""The chunked scan: equal to the recurrence it stands for, gradients, counted cost."""

import pytest
import torch
from torch import nn

from metrics.macs import count_macs
from models.vqa.ssm import ssd_scan

torch.set_num_threads(1)


def inputs(length: int, batch: int = 2, heads: int = 3, width: int = 4, state: int = 5) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    shapes = (batch, length, heads, width), (batch, length, heads), (batch, length, state), (batch, length, state)
    values, decay, write, read = (torch.randn(shape, generator=generator, dtype=torch.double) for shape in shapes)
    return [values, -(decay.abs() ** 3), write, read]


def recurrence(values, log_decay, write, read) -> torch.Tensor:
    batch, length, heads, width = values.shape
    state = values.new_zeros(batch, heads, write.shape[-1], width)
    steps = []
    for t in range(length):
        state = state * log_decay[:, t].exp()[..., None, None] + torch.einsum("bn,bhp->bhnp", write[:, t], values[:, t])
        steps.append(torch.einsum("bn,bhnp->bhp", read[:, t], state))
    return torch.stack(steps, dim=1)


@pytest.mark.parametrize(("length", "chunk"), [(1, 64), (63, 64), (64, 64), (65, 64), (200, 64), (37, 8), (12, 1)])
def test_it_is_the_recurrence(length: int, chunk: int) -> None:
    given = inputs(length)
    wanted = recurrence(*given)
    assert wanted.std() > 0.5
    assert (ssd_scan(*given, chunk) - wanted).abs().max() <= 1e-12


def test_strong_decay_neither_overflows_nor_stops_the_gradient() -> None:
    values, decay, write, read = inputs(40)
    decay = (100 * decay).requires_grad_()
    result = ssd_scan(values, decay, write, read, 16)
    assert (result - recurrence(values, decay, write, read)).abs().max() <= 1e-12
    result.sum().backward()
    assert decay.grad.isfinite().all() and decay.grad.abs().max() > 0


def test_gradients_are_those_of_the_result() -> None:
    given = [each.requires_grad_() for each in inputs(5, batch=1, heads=2, width=2, state=2)]
    assert torch.autograd.gradcheck(lambda *each: ssd_scan(*each, 2), given)


class Scan(nn.Module):
    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        return ssd_scan(*given)


@pytest.mark.parametrize(("length", "chunks"), [(200, 4), (1568, 25)])
def test_its_whole_cost_is_counted(length: int, chunks: int) -> None:
    heads, width, state = 6, 64, 16
    shapes = (1, length, heads, width), (1, length, heads), (1, length, state), (1, length, state)
    count = count_macs(Scan(), tuple(torch.empty(shape, device="meta") for shape in shapes))
    within = 64 * (state + heads * width) + 2 * heads * width * state
    assert count.macs == chunks * 64 * within + chunks**2 * heads * width * state
    # Additions alone: one for each head and step, and one for each head and chunk.
    assert count.uncounted == ("aten.cumsum",)
    # What a scan that computes no masked product needs.
    least = length * heads * (64 * (state + width) / 2 + 2 * width * state)
    assert least < count.macs < 2 * least
