"""The network: one video or many, views and branches, configuration."""

import pytest
import torch
from jsonargparse import ArgumentParser

from models.vqa.branch import Branch
from models.vqa.fusion import ConcatFusion
from models.vqa.heads import MLPHead, TemporalEncoderHead
from models.vqa.network import VQANetwork
from models.vqa.timm_frames import TimmFrames

torch.set_num_threads(1)


def video(batch: int, time: int = 3, size: int = 64, seed: int = 0) -> torch.Tensor:
    shape = (batch, time, 3, size, size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def one_branch(head=None) -> VQANetwork:
    torch.manual_seed(0)
    return VQANetwork({"frames": TimmFrames("test_efficientnet")}, head or TemporalEncoderHead(ff=64)).eval()


class Grid(Branch):
    """As many tokens as asked for."""

    width = 4

    def __init__(self, tokens: int, source: str | None = None, error: Exception | None = None) -> None:
        super().__init__()
        self.tokens, self.source, self.error = tokens, source, error

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        return view.flatten(1).float().mean(1)[:, None, None].expand(-1, self.tokens, self.width)

    def load_pretrained(self) -> str | None:
        if self.error:
            raise self.error
        return self.source


@pytest.mark.parametrize("head", [TemporalEncoderHead(ff=64), MLPHead()])
def test_a_video_scores_the_same_alone_and_in_a_batch(head) -> None:
    network = one_branch(head)
    network.set_label_scale(3.2, 0.55)
    views = video(6)
    with torch.no_grad():
        together = network({"frames": views})
        alone = torch.cat([network({"frames": each[None]}) for each in views])
    assert together.shape == (6,) and together.dtype == torch.float32
    assert (together - alone).abs().max() <= 1e-5
    assert together.std() > 1e-4


def test_concat_puts_branches_side_by_side() -> None:
    network = VQANetwork({"frames": Grid(3), "motion": Grid(1)}, MLPHead(), ConcatFusion())
    assert network.fusion.width == 8
    joined = network.fusion({"frames": torch.ones(2, 3, 4), "motion": torch.arange(2.0)[:, None, None].expand(2, 1, 4)})
    assert joined.shape == (2, 3, 8)
    assert joined[1].tolist() == [[1.0] * 4 + [1.0] * 4] * 3 and joined[0, :, 4:].eq(0).all()
    assert network({"frames": video(2), "motion": video(2, 8, 32)}).shape == (2,)
    with pytest.raises(ValueError, match="frames 3, motion 2"):
        network.fusion({"frames": torch.ones(2, 3, 4), "motion": torch.ones(2, 2, 4)})


def test_what_no_network_can_be_made_of_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one branch"):
        VQANetwork({}, MLPHead())
    with pytest.raises(ValueError, match=r"frames, motion.* need a fusion"):
        VQANetwork({"frames": Grid(1), "motion": Grid(1)}, MLPHead())
    with pytest.raises(ValueError, match="'head'"):
        VQANetwork({"head": Grid(1)}, MLPHead())


def test_check_names_branch_view_and_size() -> None:
    with torch.device("meta"):
        branch = TimmFrames("swin_tiny_patch4_window7_224", img_size=256, window_size=8)
        network = VQANetwork({"frames": branch}, MLPHead())
    network.check({"frames": (8, 3, 256, 256)})
    with pytest.raises(ValueError, match=r"^branch 'frames' has no view; view 'frame' has no branch$"):
        network.check({"frame": (8, 3, 256, 256)})
    with pytest.raises(ValueError, match=r"branch 'frames' reads frames of 256x256 pixels and its view makes 224x224"):
        network.check({"frames": (8, 3, 224, 224)})
    with pytest.raises(ValueError, match=r"^view 'motion' has no branch$"):
        network.check({"frames": (8, 3, 256, 256), "motion": (32, 3, 112, 112)})


def test_loading_tells_the_source_of_each_branch_and_names_the_one_that_fails() -> None:
    branches = {"frames": Grid(1, "package:a"), "motion": Grid(1)}
    assert VQANetwork(branches, MLPHead(), ConcatFusion()).load_pretrained() == {"frames": "package:a"}
    for kind in (ValueError, FileNotFoundError):
        broken = {"frames": Grid(1), "motion": Grid(1, error=kind("no weights"))}
        with pytest.raises(kind, match="branch 'motion': no weights"):
            VQANetwork(broken, MLPHead(), ConcatFusion()).load_pretrained()


def test_a_configuration_builds_it_and_says_no_width() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(VQANetwork, "network")
    frames = {"class_path": "models.vqa.timm_frames.TimmFrames", "init_args": {"name": "test_efficientnet"}}
    head = {"class_path": "models.vqa.heads.MLPHead", "init_args": {"hidden": 8}}
    config = {
        "class_path": "models.vqa.network.VQANetwork",
        "init_args": {"branches": {"frames": frames}, "head": head},
    }
    parsed = parser.parse_object({"network": config})
    parsed.network.init_args.branches["frames"].init_args.pool = "avg_std"
    network = parser.instantiate(parsed).network
    assert network.head.hidden[0].normalized_shape == (2 * 256,)


def test_names_in_a_checkpoint_stay() -> None:
    keys = set(one_branch(TemporalEncoderHead(ff=64)).state_dict())
    head = {key.removeprefix("head.") for key in keys if key.startswith("head.")}
    layer = {"self_attn.in_proj", "self_attn.out_proj.", "linear1.", "linear2.", "norm1.", "norm2."}
    wanted = {
        f"encoder.0.{name}{'_' if 'in_proj' in name else ''}{kind}" for name in layer for kind in ("weight", "bias")
    }
    assert head == wanted | {"score.weight", "score.bias", "label_mean", "label_sd"}
    assert all(key.startswith("branches.frames.trunk.") for key in keys if not key.startswith("head."))
    mlp = {key.removeprefix("head.") for key in one_branch(MLPHead()).state_dict() if key.startswith("head.")}
    parts = {f"{part}.{kind}" for part in ("hidden.0", "hidden.1", "score") for kind in ("weight", "bias")}
    assert mlp == parts | {"label_mean", "label_sd"}
