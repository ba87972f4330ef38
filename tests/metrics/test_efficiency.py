"""The efficiency figures of a network with named views."""

import pytest
import torch
from torch import nn

from metrics.efficiency import efficiency


class TwoBranches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({"frames": nn.Conv2d(3, 8, 3, padding=1), "motion": nn.Conv2d(3, 4, 1)})
        self.head = nn.Linear(12, 1)
        self.spare = nn.Linear(100, 10, bias=False)

    def forward(self, views: dict[str, torch.Tensor]) -> torch.Tensor:
        means = [self.branches[name](view[0].float()).mean((0, 2, 3)) for name, view in views.items()]
        return self.head(torch.cat(means)[None])


def test_figures_are_per_video_and_by_branch() -> None:
    figures = efficiency(TwoBranches(), {"frames": (5, 3, 20, 30), "motion": (7, 3, 10, 10)})
    frames, motion = 5 * 600 * 8 * 27, 7 * 100 * 4 * 3
    assert figures["gmacs"] == pytest.approx((frames + motion + 12) / 1e9)
    assert figures["gflops"] == 2 * figures["gmacs"]
    assert figures["branches"]["frames"] == {"gmacs": frames / 1e9, "params_m": 224 / 1e6}
    assert figures["branches"]["motion"] == {"gmacs": motion / 1e9, "params_m": 16 / 1e6}
    assert figures["branches"]["head"] == {"gmacs": 12 / 1e9, "params_m": 13 / 1e6}
    assert figures["params_m"] == pytest.approx((224 + 16 + 13) / 1e6)
    assert figures["counters"] == {"params_unused_m": 1000 / 1e6}
    assert figures["uncounted"] == []
    floats, outputs = 5 * 3 * 600 * 4, 5 * 8 * 600 * 4
    assert figures["activation_mb"] == pytest.approx((floats + outputs) / 2**20, rel=0.01)


def test_fvcore_is_a_figure_beside() -> None:
    pytest.importorskip("fvcore")
    shapes = {"frames": (5, 3, 20, 30), "motion": (7, 3, 10, 10)}
    figures = efficiency(TwoBranches(), shapes, fvcore=True)
    assert figures["counters"]["fvcore_gmacs"] == pytest.approx(figures["gmacs"], rel=0.01)
