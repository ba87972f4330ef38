"""Metrics by name: those that always work, those that say what they lack, pyiqa's with local weights."""

import socket
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from metrics.sr.full_reference import RGB, ms_ssim, psnr, ssim
from metrics.sr.pyiqa_metrics import file_sha256, without_network
from metrics.sr.registry import DEFAULT, METRICS, MetricUnavailable, Sources, build

GENERATOR = np.random.default_rng(0)
HR = GENERATOR.integers(0, 255, (48, 40, 3)).astype(np.uint8)
SR = np.clip(HR + GENERATOR.normal(0, 9, HR.shape), 0, 255).astype(np.uint8)


class Level(nn.Module):
    """A network of one weight, which answers the mean of its picture times the weight, less a random crop's."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, picture):
        noise = torch.rand(1) + float(np.random.rand())
        return picture.mean()[None] * self.gain + noise


@pytest.fixture
def pyiqa(monkeypatch):
    """A stand-in of the library with its way of being called; records what it was called with."""
    module, calls = types.ModuleType("pyiqa"), []

    class Inference(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Level()

        def forward(self, *pictures):
            return self.net(pictures[0])

    def create_metric(name, device=None, **options):
        calls.append((name, options))
        if options.get("pretrained", True):
            print("Downloading")
            socket.getaddrinfo("weights.example", 443)
        if name == "maniqa":
            trunks.create_model("vit", pretrained=True)
        return Inference()

    trunks = types.ModuleType("timm")
    trunks.create_model = lambda name, pretrained: calls.append((name, {"pretrained": pretrained}))
    monkeypatch.setitem(sys.modules, "timm", trunks)
    module.create_metric = create_metric
    monkeypatch.setitem(sys.modules, "pyiqa", module)
    return calls


def test_those_that_always_work():
    assert build("psnr", Sources()).score(SR, HR) == psnr(SR, HR)
    assert build("ssim", Sources(convention=RGB)).score(SR, HR) == ssim(SR, HR, RGB)
    assert build("piqe", Sources()).score(SR, None) > 0
    off = HR.copy()
    off[:4, :4, 1] ^= 1  # one channel of 16 pixels of 48x40, by a grey level of 255
    assert build("l1", Sources()).score(off, HR) == pytest.approx(16 / (3 * 48 * 40) / 255)
    with pytest.raises(ValueError, match="no original"):
        build("psnr", Sources()).score(SR, None)
    with pytest.raises(ValueError, match="'pnsr'"):
        build("pnsr", Sources())


def test_terms_look_at_what_the_challenge_takes_them_from():
    split = {name: METRICS[name].split for name in DEFAULT}
    assert {name for name, where in split.items() if where == "wild"} == {"musiq", "maniqa", "clipiqa"}
    assert {name for name, where in split.items() if where == "synthetic"} == {"psnr", "ssim", "lpips", "st_lpips"}
    assert {name for name in DEFAULT if METRICS[name].direction == "lower"} == {"lpips", "piqe", "niqe", "st_lpips"}


@pytest.mark.parametrize("name", ["lpips", "musiq", "maniqa", "clipiqa"])
def test_what_is_missing_is_told_with_three_ways_out(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(MetricUnavailable) as caught:
        build(name, Sources())
    text = str(caught.value)
    assert text.startswith(f"{name}: pyiqa is not there")
    assert "pip install pyiqa" in text and f"--weights {name}=FILE" in text and "out of --metrics" in text


def test_niqe_without_a_model_tells_how_to_fit_one():
    with pytest.raises(MetricUnavailable, match="--fit-niqe"):
        build("niqe", Sources())


def test_nothing_is_fetched_unless_allowed(pyiqa, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_: asked.append(host))
    with pytest.raises(MetricUnavailable, match=r"weights\.example was not allowed"):
        build("musiq", Sources())
    assert asked == [] and "Downloading" not in capsys.readouterr().out
    build("musiq", Sources(allow_download=True))
    assert asked == ["weights.example"]


def test_the_network_is_there_again_afterwards():
    before = socket.getaddrinfo
    with pytest.raises(OSError, match="not allowed"), without_network():
        socket.create_connection(("localhost", 9))
    assert socket.getaddrinfo is before


def test_local_weights_are_loaded_and_hashed(pyiqa, tmp_path):
    file = tmp_path / "musiq.pth"
    torch.save({"params": {"module.gain": torch.tensor([100.0])}}, file)
    scorer = build("musiq", Sources(weights={"musiq": file}))
    assert pyiqa == [("musiq", {"pretrained": False})]
    assert scorer.weights_sha256 == file_sha256(file)
    low, high = (scorer.score(np.full((8, 8, 3), level, np.uint8), None) for level in (0, 51))
    assert high - low == pytest.approx(20, abs=1e-3)  # the random part is the same for both


def test_random_crops_are_the_same_every_time_and_leave_others_alone(pyiqa, tmp_path):
    torch.save({"gain": torch.zeros(1)}, tmp_path / "m.pth")
    scorer = build("maniqa", Sources(weights={"maniqa": tmp_path / "m.pth"}))
    assert pyiqa == [("vit", {"pretrained": False}), ("maniqa", {"pretrained": False})][::-1]
    torch.manual_seed(5), np.random.seed(5)
    wanted = float(torch.rand(1)), np.random.rand()
    torch.manual_seed(5), np.random.seed(5)
    assert scorer.score(SR, None) == scorer.score(HR, None)
    assert (float(torch.rand(1)), np.random.rand()) == wanted


def test_weights_of_another_network_and_code_in_a_file_are_refused(pyiqa, tmp_path):
    torch.save({"else": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(MetricUnavailable, match="else"):
        build("musiq", Sources(weights={"musiq": tmp_path / "other.pth"}))
    torch.save({"gain": Path("x")}, tmp_path / "code.pth")
    with pytest.raises(MetricUnavailable, match="musiq: Weights only"):
        build("musiq", Sources(weights={"musiq": tmp_path / "code.pth"}))


def test_distances_from_outside_are_used_with_their_weights(tmp_path):
    (tmp_path / "alex.pth").write_bytes(b"x")
    made = []
    distances = {"lpips": lambda path: made.append(path) or (lambda sr, hr: 0.25)}
    scorer = build("lpips", Sources(weights={"lpips": tmp_path / "alex.pth"}, distances=distances))
    assert scorer.score(SR, HR) == 0.25 and made == [tmp_path / "alex.pth"]

    def absent(path):
        raise FileNotFoundError("the package stlpips-pytorch is not there")

    with pytest.raises(MetricUnavailable, match="st_lpips: the package stlpips-pytorch is not there"):
        build("st_lpips", Sources(distances={"st_lpips": absent}))


@pytest.mark.slow
def test_ms_ssim_falls_with_noise_and_wants_a_large_picture():
    hr = np.tile(HR, (5, 5, 1))
    slight = np.clip(hr + GENERATOR.normal(0, 3, hr.shape), 0, 255).astype(np.uint8)
    strong = np.clip(hr + GENERATOR.normal(0, 60, hr.shape), 0, 255).astype(np.uint8)
    assert 1 > ms_ssim(slight, hr) > ms_ssim(strong, hr) > 0
    with pytest.raises(ValueError, match="too small"):
        ms_ssim(HR, HR)
