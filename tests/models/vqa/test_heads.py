"""Heads: label units, precision, widths."""

import pytest
import torch

from models.vqa.heads import Head, LinearHead, MLPHead, TemporalEncoderHead

torch.set_num_threads(1)


def built(head: Head, width: int = 32) -> Head:
    torch.manual_seed(0)
    head.build(width)
    return head.eval()


@pytest.mark.parametrize("head", [TemporalEncoderHead(heads=4, ff=16), MLPHead(hidden=8), LinearHead(8)])
def test_predictions_are_in_label_units(head: Head) -> None:
    built(head)
    tokens = torch.randn(5, 3, 32)
    with torch.no_grad():
        plain = head(tokens)
        head.set_label_scale(3.2, 0.5)
        scaled = head(tokens)
    assert plain.shape == (5,) and plain.dtype == torch.float32
    torch.testing.assert_close(scaled, 3.2 + 0.5 * plain)
    assert {"label_mean", "label_sd"} <= set(head.state_dict())


def test_equal_labels_are_refused() -> None:
    for sd in (0.0, float("nan")):
        with pytest.raises(ValueError, match="standard deviation"):
            built(MLPHead()).set_label_scale(3.0, sd)


@pytest.mark.parametrize("head", [TemporalEncoderHead(heads=4, ff=16), MLPHead(hidden=8)])
def test_close_scores_stay_apart_under_bfloat16(head: Head) -> None:
    built(head)
    base = torch.randn(1, 1, 32)
    tokens = base + 0.3 * torch.linspace(0, 1, 200)[:, None, None] * torch.randn(1, 1, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        scores = head(tokens)
    rounded = scores.to(torch.bfloat16)
    assert scores.dtype == torch.float32
    assert len(scores.unique()) > 1.5 * len(rounded.unique())


def test_a_whole_network_in_bfloat16_still_gives_float32() -> None:
    head = built(MLPHead()).to(torch.bfloat16)
    assert head(torch.randn(2, 3, 32).to(torch.bfloat16)).dtype == torch.float32


def test_the_order_of_frames_does_not_matter() -> None:
    head = built(TemporalEncoderHead(heads=4, ff=16, layers=2))
    tokens = torch.randn(2, 6, 32)
    with torch.no_grad():
        torch.testing.assert_close(head(tokens.flip(1)), head(tokens), atol=1e-5, rtol=1e-5)


def test_layers_begin_with_weights_of_their_own() -> None:
    head = built(TemporalEncoderHead(heads=4, ff=16, layers=2))
    first, second = (layer.linear1.weight for layer in head.encoder)
    assert not torch.equal(first, second)


def test_the_linear_head_is_linear() -> None:
    head = built(LinearHead(8))
    first, second = torch.randn(2, 3, 32), torch.randn(2, 3, 32)
    with torch.no_grad():
        middle = head.standardised((first + second) / 2)
        torch.testing.assert_close(middle, (head.standardised(first) + head.standardised(second)) / 2)
    assert set(head.state_dict()) == {"label_mean", "label_sd"} | {
        f"{part}.{kind}" for part in ("hidden", "score") for kind in ("weight", "bias")
    }


def test_widths_that_heads_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="8 attention heads do not divide the 30"):
        TemporalEncoderHead(heads=8).build(30)


@pytest.mark.parametrize(
    "make", [lambda: TemporalEncoderHead(layers=0), lambda: MLPHead(hidden=0), lambda: LinearHead(0)]
)
def test_empty_heads_are_refused(make) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make()


def test_the_encoder_adds_what_the_students_budget_needs() -> None:
    with torch.device("meta"):
        head = TemporalEncoderHead()
        head.build(768)
    attention, feed_forward, norms, score = 4 * 768 * 769, 768 * 2048 * 2 + 2048 + 768, 4 * 768, 769
    assert sum(value.numel() for value in head.parameters()) == attention + feed_forward + norms + score
