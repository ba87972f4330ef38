"""What holds for every loss on a batch of scores."""

import pytest
import torch

from losses.fidelity import FidelityLoss
from losses.mse import MSELoss
from losses.plcc import PLCCLoss
from losses.rank_hinge import RankHingeLoss
from losses.score_loss import as_scores
from losses.soft_srcc import SoftSRCCLoss

torch.set_num_threads(1)

CORRELATIONS = {
    "plcc-a": PLCCLoss("a"),
    "plcc-b": PLCCLoss("b"),
    "soft-srcc": SoftSRCCLoss(),
    "fidelity": FidelityLoss(),
    "fidelity-same-content": FidelityLoss(same_content_only=True),
    "rank-hinge": RankHingeLoss(),
}
LOSSES = {**CORRELATIONS, "mse": MSELoss()}
CONTENT = [str(row // 4) for row in range(16)]

every = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
correlation = pytest.mark.parametrize("loss", CORRELATIONS.values(), ids=CORRELATIONS)


def batch(n=16, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    target = 3 + 0.5 * torch.randn(n, generator=generator, dtype=torch.float64)
    prediction = target + 0.3 * torch.randn(n, generator=generator, dtype=torch.float64)
    return prediction.to(dtype), target.to(dtype)


def gradient(loss, prediction, target, content=CONTENT):
    prediction = prediction.clone().requires_grad_()
    value = loss(prediction, target, content)
    value.backward()
    return value.detach(), prediction.grad


@every
def test_reversed_order_is_far_worse_than_the_order_of_the_labels(loss):
    _, y = batch()
    right, wrong = loss(y, y, CONTENT), loss(2 * y.mean() - y, y, CONTENT)
    assert right.abs() < 5e-3
    assert wrong > 0.1


@every
@pytest.mark.parametrize("shapes", [((16, 1), (16, 1)), ((16,), (16, 1)), ((16, 1), (16,))])
def test_rows_and_columns_are_the_same(loss, shapes):
    p, y = batch()
    expected, grad = gradient(loss, p, y)
    value, shaped = gradient(loss, p.reshape(shapes[0]), y.reshape(shapes[1]))
    assert expected > 0 and torch.equal(value, expected) and torch.equal(shaped.reshape(-1), grad)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "rank-hinge"])
def test_gradient_in_double(name):
    p, y = batch(dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: LOSSES[name](x, y, CONTENT), (p.requires_grad_(),))


def test_gradient_of_the_hinge_holds_its_largest_constant():
    p, y = batch(dtype=torch.float64)
    wrong = torch.relu((p[:, None] - p) * torch.sign(y - y[:, None]))
    largest = wrong.max().item()

    def unscaled(x):
        return torch.relu((x[:, None] - x) * torch.sign(y - y[:, None])).sum() / 240 / (1 + largest)

    p.requires_grad_()
    assert largest > 0 and torch.autograd.gradcheck(unscaled, (p,))
    (expected,) = torch.autograd.grad(unscaled(p), p)
    (found,) = torch.autograd.grad(LOSSES["rank-hinge"](p, y), p)
    torch.testing.assert_close(found, expected)


@every
@pytest.mark.parametrize("value", [0.0, 3.1, 1e4])
def test_constant_predictions_have_a_bounded_gradient(loss, value):
    _, y = batch()
    found, grad = gradient(loss, torch.full((16,), value), y)
    assert torch.isfinite(found) and torch.isfinite(grad).all()
    # A mere epsilon in the denominator gives 5.6e6.
    assert grad.abs().max() < 2e4


@pytest.mark.parametrize("name", ["plcc-a", "plcc-b", "soft-srcc"])
def test_constant_predictions_are_pushed_towards_the_labels(name):
    _, y = batch()
    _, grad = gradient(LOSSES[name], torch.full((16,), 3.0), y)
    assert torch.corrcoef(torch.stack((-grad, y)))[0, 1] > 0.9


@correlation
@pytest.mark.parametrize(
    "target",
    [torch.empty(0), torch.tensor([3.0]), torch.tensor([1.0, 2.0, 4.0]), torch.full((16,), 3.0), 3 + batch()[1] * 0.03],
    ids=["none", "one", "three", "constant", "nearly-constant"],
)
def test_a_batch_that_says_too_little_is_zero_with_a_graph(loss, target):
    prediction = torch.linspace(1, 5, len(target))
    value, grad = gradient(loss, prediction, target, ["same"] * len(target))
    assert value == 0 and torch.equal(grad, torch.zeros(len(target)))
    assert not loss.usable(target, ["same"] * len(target))


@every
def test_float32_inside_for_half_precision_and_under_autocast(loss):
    p, y = batch()
    p, y = p.bfloat16(), y.bfloat16()
    expected = loss(p.float(), y.float(), CONTENT)
    assert expected > 0
    with torch.autocast("cpu", torch.bfloat16):
        for prediction, target in ((p, y), (p.float(), y.float()), (p, y.float())):
            value = loss(prediction, target, CONTENT)
            assert value.dtype == torch.float32 and torch.equal(value, expected)


@every
def test_content_as_names_codes_and_tensor_is_the_same(loss):
    p, y = batch()
    codes = [int(name) * 2**61 for name in CONTENT]
    named = loss(p, y, CONTENT)
    assert torch.equal(loss(p, y, codes), named) and torch.equal(loss(p, y, torch.tensor(codes)), named)


@every
def test_nan_targets_are_seen(loss):
    p, y = batch()
    y[3] = torch.nan
    assert loss(p, y, CONTENT).isnan()


@every
def test_order_of_the_batch_does_not_matter(loss):
    p, y = batch()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(p[order], y[order], [CONTENT[i] for i in order]), loss(p, y, CONTENT))


@pytest.mark.parametrize(("p", "y"), [((4, 2), (4,)), ((), ()), ((4,), (5,)), ((4, 1, 1), (4,))])
def test_other_shapes_are_refused(p, y):
    with pytest.raises(ValueError, match=r"shape|predictions for"):
        as_scores(torch.zeros(p), torch.zeros(y))
