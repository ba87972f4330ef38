"""Gated cross-attention: begins as one branch, lets all learn, sees the others as a set."""

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import nn

from metrics.macs import count_macs
from models.vqa.branch import Branch
from models.vqa.cross_attention import GatedCrossAttention
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork

torch.set_num_threads(1)


class Pixels(Branch):
    """A linear layer on the mean colour of each frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.linear = width, nn.Linear(3, width)

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        return self.linear(view.float().mean((3, 4)) / 128 - 1)


def built(**options) -> GatedCrossAttention:
    torch.manual_seed(0)
    fusion = GatedCrossAttention("frames", **{"width": 16, "heads": 4, "ff": 32} | options)
    fusion.build({"tiles": 6, "frames": 8, "motion": 4})
    return fusion.eval()


def tokens(batch: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    counts = {"tiles": (5, 6), "frames": (3, 8), "motion": (1, 4)}
    return {name: torch.randn(batch, *shape, generator=generator) for name, shape in counts.items()}


def open_gates(fusion: GatedCrossAttention) -> GatedCrossAttention:
    for layer in fusion.layers:
        nn.init.normal_(layer.gate)
    return fusion


@pytest.mark.parametrize("layers", [1, 2])
def test_it_begins_with_the_query_branch_alone(layers: int) -> None:
    fusion, given = built(layers=layers), tokens()
    other = given | {"tiles": given["tiles"] + 1, "motion": -given["motion"]}
    with torch.no_grad():
        before = fusion(given)
        assert before.shape == (2, 3, 16)
        assert torch.equal(fusion(other), before)
        open_gates(fusion)
        for name in ("tiles", "motion"):
            assert not torch.allclose(fusion(given | {name: other[name]}), fusion(given), atol=1e-3)


def test_the_order_of_the_others_tokens_does_not_matter() -> None:
    fusion, given = open_gates(built(layers=2)), tokens()
    shuffled = given["tiles"][:, torch.randperm(5, generator=torch.Generator().manual_seed(1))]
    with torch.no_grad():
        torch.testing.assert_close(fusion(given | {"tiles": shuffled}), fusion(given), atol=1e-5, rtol=1e-5)


def test_every_branch_has_gradients_after_three_steps() -> None:
    torch.manual_seed(0)
    branches = {"frames": Pixels(8), "tiles": Pixels(6), "motion": Pixels(4)}
    network = VQANetwork(branches, MLPHead(8), GatedCrossAttention("frames", 16, 2, 4, 32))
    views = {name: torch.rand(8, time, 3, 4, 4) * 255 for name, time in (("frames", 3), ("tiles", 5), ("motion", 1))}
    optimizer = torch.optim.AdamW(network.parameters(), 1e-5)
    others = {name for name in branches if name != "frames"}
    for step in range(4):
        optimizer.zero_grad()
        (network(views) - torch.arange(8.0)).square().mean().backward()
        assert all(value.grad.isfinite().all() for value in network.parameters())
        dead = {name for name, value in network.named_parameters() if not value.grad.abs().max() > 0}
        if step == 0:
            assert {name.split(".")[1] for name in dead if name.startswith("branches.")} == others
        else:
            assert not dead
        optimizer.step()


def test_a_video_gives_the_same_alone_and_in_a_batch() -> None:
    fusion, given = open_gates(built()), tokens(4)
    with torch.no_grad():
        together = fusion(given)
        alone = torch.cat([fusion({name: each[i : i + 1] for name, each in given.items()}) for i in range(4)])
    assert (together - alone).abs().max() <= 1e-5


class Joined(nn.Module):
    def __init__(self, fusion: GatedCrossAttention) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, frames, tiles, motion) -> torch.Tensor:
        return self.fusion({"frames": frames, "tiles": tiles, "motion": motion})


def test_its_cost_is_counted() -> None:
    given = tokens(1)
    count = count_macs(Joined(built()), tuple(given[name] for name in ("frames", "tiles", "motion")))
    projections = 5 * 6 * 16 + 3 * 8 * 16 + 1 * 4 * 16
    attention = 2 * 3 * 16**2 + 2 * 6 * 16**2 + 2 * 3 * 6 * 16
    assert count.macs == projections + attention + 2 * 3 * 16 * 32
    assert not count.unused and not count.uncounted


def test_a_configuration_builds_it() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(GatedCrossAttention, "fusion")
    path = "models.vqa.cross_attention.GatedCrossAttention"
    parsed = parser.parse_object({"fusion": {"class_path": path, "init_args": {"query": "frames", "layers": 2}}})
    assert len(parser.instantiate(parsed).fusion.layers) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GatedCrossAttention("a", heads=3), "heads divide width 256"),
        (lambda: GatedCrossAttention("a").build({"b": 4, "c": 4}), "query 'a' is no branch; there are b, c"),
        (lambda: GatedCrossAttention("a").build({"a": 4}), "needs another one"),
    ],
)
def test_nonsense_is_refused(make, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
