"""Values of the losses on pairs against plain double loops."""

import math

import pytest
import torch
from scipy.stats import norm

from losses.fidelity import FidelityLoss, fidelity_loss
from losses.rank_hinge import rank_hinge_loss

torch.set_num_threads(1)

P = torch.tensor([1.0, 2.5, 2.0, 4.0, 3.0], dtype=torch.float64)
Y = torch.tensor([1.5, 2.0, 2.0, 3.0, 4.5], dtype=torch.float64)
CONTENT = ["a", "b", "a", "b", "a"]


def fidelity_by_hand(pairs):
    sd, total = Y.std(correction=0).item(), 0.0
    for i, j in pairs:
        said, meant = (norm.cdf(float(x[i] - x[j]) / sd / math.sqrt(2)) for x in (P, Y))
        total += 1 - math.sqrt(said * meant + 1e-8) - math.sqrt((1 - said) * (1 - meant) + 1e-8)
    return total / len(pairs)


def test_fidelity_over_all_pairs():
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    assert fidelity_loss(P, Y).item() == pytest.approx(fidelity_by_hand(pairs), abs=1e-10)


def test_fidelity_over_pairs_of_one_content():
    found = fidelity_loss(P, Y, CONTENT, same_content_only=True).item()
    assert found == pytest.approx(fidelity_by_hand([(0, 2), (0, 4), (2, 4), (1, 3)]), abs=1e-10)


def test_fidelity_is_the_same_in_any_unit():
    torch.testing.assert_close(fidelity_loss(P * 20 + 3, Y * 20 + 3), fidelity_loss(P, Y))


def test_fidelity_minds_the_range_of_predictions():
    assert fidelity_loss(Y * 10, Y) > fidelity_loss(Y, Y) + 0.01


def test_a_batch_without_a_pair_of_one_content_is_passed_over():
    loss, apart = FidelityLoss(same_content_only=True), list("abcde")
    assert loss(P, Y, apart) == 0 and not loss.usable(Y, apart)
    assert loss.usable(Y, CONTENT)


def test_pairs_of_one_content_need_contents():
    with pytest.raises(ValueError, match="without content"):
        fidelity_loss(P, Y, same_content_only=True)


def test_hinge():
    wrong = [
        max(0.0, float(P[i] - P[j]) * float(torch.sign(Y[j] - Y[i]))) for i in range(5) for j in range(5) if i != j
    ]
    assert max(wrong) > 0
    assert rank_hinge_loss(P, Y).item() == pytest.approx(sum(wrong) / 20 / (1 + max(wrong)))


def test_hinge_of_the_right_order_is_zero():
    assert rank_hinge_loss(Y * 3 - 1, Y) == 0
