"""Pooling fusions: what they keep of the tokens of each branch."""

import pytest
import torch
from jsonargparse import ArgumentParser

from models.vqa.attention_pool import AttentionPool
from models.vqa.fusion import Fusion, PooledConcat

WIDTHS = {"frames": 8, "motion": 4}


def tokens(batch: int = 3) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"frames": torch.randn(batch, 5, 8), "motion": torch.randn(batch, 1, 4)}


def built(fusion):
    fusion.build(WIDTHS)
    return fusion


@pytest.mark.parametrize(
    ("pool", "width"), [("mean", 12), ({"frames": "mean_std"}, 20), ({"frames": "mean_std", "motion": "mean"}, 20)]
)
def test_pooled_tokens_stand_side_by_side(pool, width: int) -> None:
    fusion, given = built(PooledConcat(pool)), tokens()
    joined = fusion(given)
    assert fusion.width == width and joined.shape == (3, 1, width)
    parts = [given["frames"].mean(1), given["frames"].std(1, correction=0), given["motion"][:, 0]]
    wanted = torch.cat(parts if width == 20 else [parts[0], parts[2]], dim=1)
    torch.testing.assert_close(joined[:, 0], wanted, atol=1e-5, rtol=1e-5)


def test_the_spread_of_equal_tokens_has_a_gradient() -> None:
    same = torch.ones(2, 5, 8, requires_grad=True)
    built(PooledConcat({"frames": "mean_std"}))({"frames": same, "motion": torch.ones(2, 1, 4)}).sum().backward()
    assert same.grad.isfinite().all()


def test_a_spread_of_one_token_is_refused() -> None:
    with pytest.raises(ValueError, match="branch 'motion' has one token"):
        built(PooledConcat("mean_std"))(tokens())


def test_attention_begins_as_the_mean_and_learns_to_choose() -> None:
    fusion, given = built(AttentionPool(["frames"], heads=2)), tokens()
    assert fusion.width == 12
    torch.testing.assert_close(fusion(given), built(PooledConcat())(given))
    target = torch.cat([given["frames"][:, 0], given["motion"][:, 0]], dim=1)[:, None]
    optimizer = torch.optim.Adam(fusion.parameters(), 0.1)
    losses = []
    for _ in range(30):
        loss = (fusion(given) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        assert fusion.queries["frames"].grad.abs().max() > 0
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_attention_ignores_the_order_and_the_scale_of_tokens() -> None:
    fusion, given = built(AttentionPool(["frames"], heads=2)), tokens()
    torch.nn.init.normal_(fusion.queries["frames"])
    joined = fusion(given)
    torch.testing.assert_close(fusion(given | {"frames": given["frames"].flip(1)}), joined)
    doubled = fusion({name: 2 * each for name, each in given.items()})
    torch.testing.assert_close(doubled, 2 * joined, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: built(PooledConcat({"frame": "mean"})), "pool names frame, and the branches are frames, motion"),
        (lambda: built(AttentionPool(["frame"])), "'frame'"),
        (lambda: built(AttentionPool([])), "branch"),
        (lambda: built(AttentionPool(["motion"], heads=8)), "8 heads do not divide the 4 features of branch 'motion'"),
    ],
)
def test_nonsense_is_refused(make, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("models.vqa.fusion.PooledConcat", {"pool": "mean_std"}),
        ("models.vqa.fusion.PooledConcat", {"pool": {"frames": "mean_std"}}),
        ("models.vqa.attention_pool.AttentionPool", {"branches": ["frames"]}),
    ],
)
def test_a_configuration_builds_it(path: str, options: dict) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Fusion, "fusion")
    fusion = parser.instantiate(parser.parse_object({"fusion": {"class_path": path, "init_args": options}})).fusion
    assert all(getattr(fusion, name) == value for name, value in options.items())
