"""Tokens of what is in a picture: no change at the start, a gradient from the first step, encoders from local files."""

import pytest
import torch
from torch.nn import functional

from models.sr.semantic_encoders import Sam2Encoder, TimmEncoder, TinyEncoder
from models.sr.semantic_tokens import SemanticAdapter, grid_of


def attention(query, tokens):
    return functional.scaled_dot_product_attention(query, tokens, tokens)


def test_appended_tokens_change_nothing_at_first_and_are_learnt_at_once():
    adapter = SemanticAdapter(5, 8, repeats=2)
    text, features = torch.randn(2, 6, 8), torch.randn(2, 5, 7, 9)
    query = torch.randn(2, 4, 8)
    tokens = adapter(text, features)
    assert tokens.shape == (2, 18, 8)
    assert torch.allclose(attention(query, tokens), attention(query, text), atol=1e-6)
    attention(query, tokens).square().sum().backward()
    assert adapter.gate.grad.abs() > 1e-4
    # Tokens that are scaled to zero take their share of the softmax.
    zeros = torch.cat([text, torch.zeros(2, 12, 8)], 1)
    assert (attention(query, zeros) - attention(query, text)).abs().max() > 0.05


def test_an_opened_gate_shows_the_picture():
    adapter = SemanticAdapter(5, 8)
    torch.nn.init.ones_(adapter.gate)
    text, query = torch.randn(1, 6, 8), torch.randn(1, 4, 8)
    one, two = (attention(query, adapter(text, torch.randn(1, 5, 4, 4))) for _ in range(2))
    assert (one - two).abs().max() > 0.01


@pytest.mark.parametrize("count", [1, 7, 77, 231])
def test_the_grid_holds_every_token(count):
    rows, columns = grid_of(count)
    assert rows * columns == count and rows <= columns


def test_size_is_the_designs():
    adapter = SemanticAdapter(256, 1024)
    assert sum(value.numel() for value in adapter.parameters()) == pytest.approx(0.27e6, rel=0.03)


def sam2(folder):
    """A SAM 2 of the real classes, small, as its authors' would lie in a folder."""
    from transformers import Sam2Config, Sam2Model

    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [64, 64],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [3],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 32,
    }
    config = Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 32, "iou_head_hidden_dim": 32},
    )
    torch.manual_seed(0)
    Sam2Model(config).save_pretrained(folder)


def test_sam2_reads_a_local_folder(tmp_path):
    sam2(tmp_path / "sam2")
    encoder = Sam2Encoder(str(tmp_path / "sam2"))
    seen = encoder(torch.rand(2, 3, 50, 90))
    assert seen.shape == (2, 32, 4, 4) and not seen.requires_grad
    assert not any(value.requires_grad for value in encoder.parameters())
    assert encoder.facts() == {"kind": "sam2", "source": "sam2", "size": [64, 64]} and not encoder.stand_in


def test_what_is_not_there_is_told_with_the_key(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"semantics\.init_args\.folder"):
        Sam2Encoder(str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"semantics\.init_args\.weights"):
        TimmEncoder("test_convnext", weights=str(tmp_path / "none.safetensors"))


def test_timm_without_weights_says_that_it_is_a_stand_in(tmp_path):
    from safetensors.torch import save_file

    encoder = TimmEncoder("test_convnext", size=64)
    picture = torch.rand(1, 3, 40, 40)
    assert encoder.stand_in and encoder(picture).shape[1] == encoder.channels
    import timm

    whole = timm.create_model("test_convnext")
    save_file(whole.state_dict(), tmp_path / "weights.safetensors")
    real = TimmEncoder("test_convnext", weights=str(tmp_path / "weights.safetensors"), size=64)
    assert not real.stand_in
    first = next(iter(whole.state_dict()))
    # The file's first weights are in it, whatever timm calls them there.
    assert any(torch.equal(value, whole.state_dict()[first]) for value in real.model.state_dict().values())
    assert not any(torch.equal(value, whole.state_dict()[first]) for value in encoder.model.state_dict().values())


def test_the_tiny_encoder_is_one_network_for_one_seed():
    picture = torch.rand(1, 3, 33, 47)
    one, same, other = TinyEncoder(), TinyEncoder(), TinyEncoder(seed=1)
    assert one.stand_in and one(picture).shape == (1, 16, 8, 8)
    assert torch.equal(one(picture), same(picture)) and not torch.equal(one(picture), other(picture))
    assert not one.train().training
