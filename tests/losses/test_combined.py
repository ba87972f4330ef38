"""The weighted sum, its parts, and its form in a config."""

import pytest
import torch
from jsonargparse import ArgumentParser

from losses.combined import CombinedLoss, LossTerm
from losses.fidelity import FidelityLoss
from losses.mse import MSELoss, mse_loss
from losses.plcc import PLCCLoss, plcc_loss
from losses.soft_srcc import SoftSRCCLoss

torch.set_num_threads(1)

P = torch.tensor([1.0, 2.5, 2.0, 4.0, 3.0])
Y = torch.tensor([1.5, 2.0, 2.25, 3.0, 4.5])


def test_total_and_parts():
    loss = CombinedLoss({"plcc": LossTerm(PLCCLoss(), 2.0), "mse": LossTerm(MSELoss(), 0.5)})
    p = P.clone().requires_grad_()
    total = loss(p, Y)
    torch.testing.assert_close(total, 2 * plcc_loss(P, Y) + 0.5 * mse_loss(P, Y))
    torch.testing.assert_close(loss.parts["plcc"], plcc_loss(P, Y))
    torch.testing.assert_close(loss.parts["mse"], mse_loss(P, Y))
    assert loss.parts["skipped"] == 0 and not any(part.requires_grad for part in loss.parts.values())
    total.backward()
    assert p.grad.abs().sum() > 0


def test_skipped_terms_are_counted():
    loss = CombinedLoss(
        {
            "plcc": LossTerm(PLCCLoss()),
            "pairs": LossTerm(FidelityLoss(same_content_only=True)),
            "mse": LossTerm(MSELoss()),
        }
    )
    loss(P, Y, list("abcde"))
    assert loss.parts["skipped"] == 1 and loss.parts["pairs"] == 0 and loss.parts["plcc"] > 0
    loss(P[:3], Y[:3], list("aab"))
    assert loss.parts["skipped"] == 2 and loss.parts["mse"] > 0
    assert loss.usable(Y[:3], list("aab")) and not loss.usable(Y[:0], [])


def test_a_zero_weight_adds_nothing():
    loss = CombinedLoss({"plcc": LossTerm(PLCCLoss()), "mse": LossTerm(MSELoss(), 0.0)})
    torch.testing.assert_close(loss(P, Y), plcc_loss(P, Y))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_wrong_weights_are_refused(weight):
    with pytest.raises(ValueError, match="'mse' has weight"):
        CombinedLoss({"mse": LossTerm(MSELoss(), weight)})


def test_no_term_and_a_taken_name_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        CombinedLoss({})
    with pytest.raises(ValueError, match="skipped"):
        CombinedLoss({"skipped": LossTerm(MSELoss())})


def test_terms_come_from_a_config_and_from_the_command_line():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--loss", type=torch.nn.Module)
    terms = {
        "plcc": {"loss": {"class_path": "losses.plcc.PLCCLoss", "init_args": {"form": "b"}}},
        "srcc": {"loss": {"class_path": "losses.soft_srcc.SoftSRCCLoss"}, "weight": 0.5},
    }
    config = {"loss": {"class_path": "losses.combined.CombinedLoss", "init_args": {"terms": terms}}}
    parsed = parser.parse_object(config)
    parsed = parser.parse_args(
        ["--loss.init_args.terms.srcc.weight=0.7", "--loss.init_args.terms.srcc.loss.init_args.tau=0.2"],
        namespace=parsed,
    )
    loss = parser.instantiate(parsed).loss
    assert loss.weights == {"plcc": 1.0, "srcc": 0.7}
    assert loss.terms["plcc"].form == "b" and loss.terms["srcc"].tau == 0.2
    assert isinstance(loss.terms["srcc"], SoftSRCCLoss)


def test_state_keys():
    loss = CombinedLoss({"plcc": LossTerm(PLCCLoss()), "srcc": LossTerm(SoftSRCCLoss())})
    assert list(loss.state_dict()) == ["terms.srcc.calls"]
