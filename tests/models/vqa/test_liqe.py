"""LIQE: prompts, logits, weights by the published names, what is cached and what is not."""

from pathlib import Path

import pytest
import torch

from metrics.macs import count_macs
from models.vqa import liqe
from models.vqa.liqe import LIQE, PROMPTS
from tests.models.vqa import published_lists

pytest.importorskip("open_clip")
torch.set_num_threads(1)
LIST = published_lists.read("liqe")
SMALL = {"embed": 32, "image_width": 64, "image_layers": 1, "text_width": 64, "text_layers": 1}


@pytest.fixture(scope="module")
def branch() -> LIQE:
    torch.manual_seed(0)
    return LIQE(patches=3, **SMALL).eval()


def view(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, (*shape, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def full() -> LIQE:
    with torch.device("meta"):
        return LIQE()


def test_prompts_stand_in_the_published_order() -> None:
    assert len(set(PROMPTS)) == LIQE.width == 5 * 9 * 11
    assert PROMPTS[0] == "a photo of a animal with jpeg2000 compression artifacts, which is of bad quality"
    assert PROMPTS[1] == "a photo of a animal with jpeg compression artifacts, which is of bad quality"
    assert PROMPTS[11] == "a photo of a cityscape with jpeg2000 compression artifacts, which is of bad quality"
    assert PROMPTS[99] == "a photo of a animal with jpeg2000 compression artifacts, which is of poor quality"
    assert PROMPTS[-1] == "a photo of a others with other artifacts, which is of perfect quality"


def test_a_token_is_the_mean_of_the_patches_scaled_cosines(branch: LIQE) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    patches = view(2, 6)
    with torch.no_grad():
        tokens = branch(patches)
        assert torch.equal(branch(patches.float()), tokens)
        mean, sd = (torch.tensor(each).view(3, 1, 1) for each in liqe._PIXELS)
        chosen = [7, 494]
        text = branch.clip.encode_text(SimpleTokenizer()([PROMPTS[i] for i in chosen]), normalize=True)
        image = branch.clip.encode_image((patches.flatten(0, 1) / 255 - mean) / sd, normalize=True)
        logits = (image @ text.T / 0.07).view(2, 2, 3, 2).mean(2)
    assert tokens.shape == (2, 2, 495) and tokens.std() > 0.01
    torch.testing.assert_close(tokens[..., chosen], logits, atol=1e-4, rtol=1e-4)


def test_a_video_gives_the_same_alone_in_a_batch_and_in_chunks(branch: LIQE) -> None:
    patches = view(3, 3)
    with torch.no_grad():
        together = branch(patches)
        alone = torch.cat([branch(each[None]) for each in patches])
        branch.chunk = 2
        chunked = branch(patches)
        branch.chunk = None
    assert (together - alone).abs().max() <= 1e-5 and (together - chunked).abs().max() <= 1e-5


def test_texts_are_made_once_and_again_for_other_weights(branch: LIQE, monkeypatch) -> None:
    torch.manual_seed(1)
    other = LIQE(patches=3, **SMALL).eval()
    calls: list[int] = []
    encode = other.clip.encode_text
    monkeypatch.setattr(other.clip, "encode_text", lambda tokens: (calls.append(len(tokens)), encode(tokens))[1])
    patches = view(1, 3)
    with torch.no_grad():
        before = other(patches)
        assert torch.equal(other(patches), before) and sum(calls) == 495
        torch.nn.ModuleDict({"other": other}).load_state_dict(torch.nn.ModuleDict({"other": branch}).state_dict())
        assert torch.equal(other(patches), branch(patches)) and sum(calls) == 2 * 495
    assert not [key for key in other.state_dict() if not key.startswith("clip.")]


def test_the_published_tensors_are_the_state() -> None:
    state = {name: list(value.shape) for name, value in full().clip.state_dict().items()}
    assert state == LIST["tensors"]


def test_it_computes_what_the_published_code_does(tmp_path: Path) -> None:
    embed, _, image_layers, image_width, _, _, _, text_width, _, text_layers = LIST["probe"]["arguments"]
    branch = LIQE(
        weights=str(tmp_path / "LIQE.pt"),
        embed=embed,
        image_width=image_width,
        image_layers=image_layers,
        text_width=text_width,
        text_layers=text_layers,
    ).eval()
    shapes = {name: list(value.shape) for name, value in branch.clip.state_dict().items()}
    torch.save(published_lists.weights(shapes), tmp_path / "LIQE.pt")
    branch.load_pretrained()
    with torch.no_grad():
        logits = branch(published_lists.pixels(*LIST["probe"]["pixels"]))[0, 0, ::33]
    torch.testing.assert_close(logits, torch.tensor(LIST["probe"]["logits"]), atol=1e-5, rtol=1e-4)


def test_half_precision_weights_load_by_name(branch: LIQE, tmp_path: Path) -> None:
    state = {name: value.half() for name, value in branch.clip.state_dict().items()}
    torch.save(state, tmp_path / "LIQE.pt")
    torch.manual_seed(2)
    other = LIQE(str(tmp_path / "LIQE.pt"), 3, **SMALL).eval()
    with torch.no_grad():
        before = other(view(1, 3))
        assert other.load_pretrained() == str(tmp_path / "LIQE.pt")
        assert not torch.allclose(other(view(1, 3)), before, atol=1e-2)
    for name, value in other.clip.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, state[name].float())
    assert LIQE(**SMALL).load_pretrained() is None


def test_wrong_weights_are_listed(branch: LIQE, tmp_path: Path) -> None:
    state = branch.clip.state_dict()
    state["visual.projection"] = state.pop("visual.proj")
    state["ln_final.bias"] = state["ln_final.bias"][:3]
    torch.save(state, tmp_path / "wrong.pt")
    with pytest.raises(ValueError) as caught:
        LIQE(str(tmp_path / "wrong.pt"), **SMALL).load_pretrained()
    words = ["missing: visual.proj", "unknown: visual.projection", "of another shape: ln_final.bias (3, not 64)"]
    assert all(word in str(caught.value) for word in words), str(caught.value)
    with pytest.raises(FileNotFoundError, match="no such file"):
        LIQE("no/LIQE.pt", **SMALL).load_pretrained()


def test_its_cost_is_the_image_towers() -> None:
    count = count_macs(full(), (torch.empty(1, 120, 3, 224, 224, dtype=torch.uint8, device="meta"),))
    tower = 49 * 3072 * 768 + 12 * (50 * 12 * 768**2 + 2 * 50**2 * 768) + 768 * 512
    assert count.macs == 120 * (tower + 512 * 495)
    text_tower = sum(v.numel() for name, v in full().clip.named_parameters() if not name.startswith("visual."))
    assert count.unused == text_tower - 1 and not count.uncounted  # the logits' scale is used


def test_it_is_frozen(branch: LIQE) -> None:
    assert not any(value.requires_grad for value in branch.train().parameters())
    branch.eval()


def test_views_that_do_not_fit_are_refused(branch: LIQE) -> None:
    LIQE.check(full(), (120, 3, 224, 224))
    for shape in ((8, 3, 224, 224), (6, 3, 256, 256)):
        with pytest.raises(ValueError, match="reads 3 patches of 224x224 pixels of each frame"):
            branch.check(shape)
    with pytest.raises(ValueError, match="patches 0"):
        LIQE(patches=0)


def test_a_missing_package_is_one_sentence(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "open_clip.model", None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[liqe\]'"):
        LIQE()
