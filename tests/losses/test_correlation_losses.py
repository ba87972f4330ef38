"""Values of the correlation losses against independent computations."""

import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from losses.plcc import PLCCLoss, plcc_loss
from losses.soft_srcc import SoftSRCCLoss, soft_srcc_loss

torch.set_num_threads(1)


def scores(n, noise=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    target = 3 + 0.5 * torch.randn(n, generator=generator, dtype=torch.float64)
    return target + noise * torch.randn(n, generator=generator, dtype=torch.float64), target


@pytest.mark.parametrize("noise", [0.05, 0.5, 5.0])
def test_plcc_equals_its_definitions(noise):
    p, y = scores(40, noise)
    rho = pearsonr(p, y).statistic
    zp, zy = ((x - x.mean()) / x.std(correction=0) for x in (p, y))
    shrunk = (((zp - zy) ** 2).mean() / 4 + ((rho * zp - zy) ** 2).mean() / 4) / 2
    assert plcc_loss(p, y).item() == pytest.approx(shrunk.item(), abs=1e-12)
    assert plcc_loss(p, y, form="b").item() == pytest.approx((1 - rho) / 2, abs=1e-12)


def test_plcc_range():
    _, y = scores(16)
    assert plcc_loss(-y, y).item() == pytest.approx(0.5) and plcc_loss(-y, y, form="b").item() == pytest.approx(1)


def test_plcc_of_predictions_far_from_zero_keeps_its_digits():
    p, y = scores(64)
    assert plcc_loss((p + 1000).float(), y.float()).item() == pytest.approx(plcc_loss(p, y).item(), abs=1e-3)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="'c'"):
        PLCCLoss("c")


@pytest.mark.parametrize(("tau", "off"), [(0.01, 0.002), (0.03, 0.005), (0.1, 0.015)])
@pytest.mark.parametrize("n", [64, 256])
def test_soft_srcc_is_near_the_true_one(n, tau, off):
    for seed in range(5):
        p, y = scores(n, seed=seed)
        assert soft_srcc_loss(p, y, tau=tau).item() == pytest.approx(1 - spearmanr(p, y).statistic, abs=off)


def test_soft_srcc_gives_tied_labels_their_mean_rank():
    p, y = scores(64)
    y = (y * 4).round() / 4
    assert soft_srcc_loss(p, y, tau=0.003).item() == pytest.approx(1 - spearmanr(p, y).statistic, abs=1e-3)


def test_soft_srcc_does_not_depend_on_the_range_of_predictions():
    p, y = scores(32)
    torch.testing.assert_close(soft_srcc_loss(p * 50 - 7, y), soft_srcc_loss(p, y))


def test_annealing_runs_in_training_and_survives_a_restart():
    p, y = scores(16)
    loss = SoftSRCCLoss(tau=0.1, tau_end=0.001, anneal_steps=2)
    loss.eval()(p, y)
    assert loss.softness().item() == pytest.approx(0.1)
    loss.train()(p, y)
    assert loss.softness().item() == pytest.approx(0.01)
    resumed = SoftSRCCLoss(tau=0.1, tau_end=0.001, anneal_steps=2)
    resumed.load_state_dict(loss.state_dict())
    assert resumed.softness().item() == pytest.approx(0.01)
    for _ in range(5):
        resumed(p, y)
    assert resumed.softness().item() == pytest.approx(0.001)


def test_softness_stays_without_an_end():
    p, y = scores(16)
    loss = SoftSRCCLoss(tau=0.1)
    loss(p, y)
    assert loss.softness().item() == pytest.approx(0.1)
    for wrong in ({"tau": 0.0}, {"tau_end": -1.0}, {"anneal_steps": 0}):
        with pytest.raises(ValueError, match="above 0"):
            SoftSRCCLoss(**wrong)
