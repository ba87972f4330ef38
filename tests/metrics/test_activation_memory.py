"""Peak activation memory told from shapes, against what torch's allocator reports for a real run."""

import pytest
import timm
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from metrics.activation_memory import activation_bytes

torch.set_num_threads(1)


def allocated_peak(module: nn.Module, *inputs: torch.Tensor) -> int:
    """Most bytes that one real forward pass held at once, by the allocator's own events."""
    with torch.no_grad():
        module(*inputs)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
            module(*inputs)
    live = peak = 0
    events = [event for event in run.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("swin_tiny_patch4_window7_224", {"img_size": 256, "window_size": 8}, 256),
        ("efficientnet_b0", {}, 224),
        ("convnext_atto", {}, 224),
        ("vit_tiny_patch16_224", {}, 224),
    ],
)
def test_it_is_within_15_percent_of_a_real_run(name: str, options: dict, size: int) -> None:
    module = timm.create_model(name, num_classes=0, **options).eval()
    frames = torch.rand(2, 3, size, size)
    assert activation_bytes(module, (frames,)) == pytest.approx(allocated_peak(module, frames), rel=0.15)


def test_what_is_released_does_not_add_up() -> None:
    layers = nn.Sequential(*(nn.Linear(1000, 1000, bias=False) for _ in range(6)))
    # At any time one output waits for the next.
    assert activation_bytes(layers, (torch.zeros(50, 1000),)) == 2 * 50 * 1000 * 4


def test_what_is_kept_adds_up() -> None:
    class Keeps(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            kept = [x + number for number in range(5)]
            return torch.stack(kept).sum(0)

    assert activation_bytes(Keeps(), (torch.zeros(1000),)) == (5 + 5 + 1) * 4000


def test_views_and_inputs_cost_nothing() -> None:
    class Views(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x.add_(1)
            return x.view(10, 100).t()[2:5]

    assert activation_bytes(Views(), (torch.zeros(1000),)) == 0
