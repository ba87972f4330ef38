"""Every expert on one scale, whole experts left out in training, never all of them; and experts as rows."""

import pytest
import torch
from torch import Tensor

from metrics.efficiency import efficiency
from models.vqa.branch import Branch
from models.vqa.expert_features import ExpertFeatures
from models.vqa.experts import Expert
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork

EXPERTS = {"large": 4, "small": 6}


def rows(batch: int = 3) -> Tensor:
    torch.manual_seed(0)
    return torch.cat([100 * torch.randn(batch, 8, 4), torch.randn(batch, 8, 6)], dim=2)


def test_each_expert_comes_to_one_scale_of_its_own():
    branch = ExpertFeatures(EXPERTS).eval()
    out = branch(rows())
    assert out.shape == (3, 8, 10) and branch.width == 10
    for part in (out[..., :4], out[..., 4:]):
        assert torch.allclose(part.mean(-1), torch.zeros(3, 8), atol=1e-5)
        assert torch.allclose(part.std(-1, correction=0), torch.ones(3, 8), atol=1e-3)
    # One norm over all would have let the small expert vanish.
    assert out[..., 4:].abs().mean() > 0.5


def test_the_order_in_the_configuration_changes_nothing():
    torch.manual_seed(0)
    other = ExpertFeatures({"small": 6, "large": 4}).eval()
    assert torch.equal(other(rows()), ExpertFeatures(EXPERTS).eval()(rows()))


def test_whole_experts_are_left_out_and_never_all():
    branch = ExpertFeatures(EXPERTS, dropout=0.6).train()
    whole = branch.eval()(rows(4096))
    out = branch.train()(rows(4096))
    gone = torch.stack([(part == 0).all(dim=(1, 2)) for part in (out[..., :4], out[..., 4:])])
    # 0.36 would lose both; each is then spared in half of these.
    assert not gone.all(dim=0).any()
    assert abs(gone.float().mean(dim=1) - (0.6 - 0.18)).max() < 0.03
    kept = ~gone[0]
    assert torch.equal(out[kept][..., :4], whole[kept][..., :4])  # as in evaluation, not scaled up


def test_a_single_expert_is_never_left_out():
    out = ExpertFeatures({"only": 10}, dropout=0.9).train()(rows(512))
    assert (out != 0).any(dim=(1, 2)).all()


def test_gradients_reach_every_norm_also_of_an_expert_that_is_left_out():
    branch = ExpertFeatures(EXPERTS, dropout=0.9).train()
    branch(rows(1)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in branch.parameters())


def test_rows_count_on_the_meta_device_beside_a_head():
    network = VQANetwork({"experts": ExpertFeatures(EXPERTS)}, MLPHead(16))
    figures = efficiency(network, {"experts": (8, 10)})
    assert 0 < figures["gmacs"] < 1e-5 and figures["branches"]["experts"]["params_m"] == pytest.approx(20e-6)


@pytest.mark.parametrize("shape", [(8, 9), (8, 3, 32, 32)])
def test_rows_of_another_width_are_refused(shape):
    with pytest.raises(ValueError, match=r"10 features \(large 4 \+ small 6\)"):
        ExpertFeatures(EXPERTS).check(shape)
    ExpertFeatures(EXPERTS).check((8, 10))


@pytest.mark.parametrize(("experts", "dropout"), [({}, 0.1), ({"a": 0}, 0.1), ({"a": 1}, 1.0), ({"a": 1}, -0.1)])
def test_senseless_arguments_are_refused(experts, dropout):
    with pytest.raises(ValueError):
        ExpertFeatures(experts, dropout)


class Means(Branch):
    """The mean colour of each frame."""

    width = 3

    def forward(self, view: Tensor) -> Tensor:
        return view.float().mean(dim=(3, 4))


def test_an_expert_keeps_every_token_or_averages_runs_of_them():
    view = torch.arange(2 * 6 * 3 * 4, dtype=torch.float32).reshape(2, 6, 3, 2, 2)
    tokens = Means()(view)
    assert torch.equal(Expert("frames", Means())({"frames": view}), tokens)
    three = Expert("frames", Means(), rows=3)({"frames": view})
    assert torch.allclose(three[:, 1], (tokens[:, 2] + tokens[:, 3]) / 2)
    assert torch.allclose(Expert("frames", Means(), rows=1)({"frames": view})[:, 0], tokens.mean(dim=1))
    with pytest.raises(ValueError, match="6 tokens cannot be averaged to 4 rows"):
        Expert("frames", Means(), rows=4)({"frames": view})


def test_an_expert_is_given_its_one_view():
    expert = Expert("frames", Means())
    expert.check({"frames": (6, 3, 2, 2)})
    with pytest.raises(ValueError, match="reads the view 'frames' and the data has motion"):
        expert.check({"motion": (6, 3, 2, 2)})
    with pytest.raises(ValueError, match="branch 'frames' reads frames of shape"):
        expert.check({"frames": (6, 2)})
