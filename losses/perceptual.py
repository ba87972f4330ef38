"""Perceptual distances of image pairs: LPIPS, and its shift-tolerant variant whose weights come with a package."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from losses.full_precision import full_precision
from losses.perceptual_trunks import CHANNELS, trunk

Net = Literal["alex", "vgg"]
# Per RGB channel, of images in [-1, 1]; LPIPS 0.1 (Zhang et al., CVPR 2018) and ST-LPIPS alike.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# Smaller images are continued by their border: a trunk has nothing left of them.
_SMALLEST = 32


class PerceptualDistance(nn.Module):
    """Weighted squared difference of unit-length features, averaged over places and added up over five slices.

    The trunk is frozen and belongs to nobody: it moves with ``to(device)``, stays fp32 and in evaluation mode
    whatever happens around it, and stands in no ``state_dict``, parameter count or weight average.

    Args:
        name: What logs call it.
        net: Trunk.
        convolutions: Weight and bias of each of the trunk's convolutions, in order.
        heads: Weight of every channel of each slice.
        shift_tolerant: Whether the trunk blurs where the common one strides.

    Raises:
        ValueError: The weights do not fit the trunk.
    """

    def __init__(
        self, name: str, net: Net, convolutions: list[tuple[Tensor, Tensor]], heads: list[Tensor], shift_tolerant: bool
    ) -> None:
        super().__init__()
        self.name = name
        slices = trunk(net, shift_tolerant=shift_tolerant)
        ours = [layer for layer in slices.modules() if isinstance(layer, nn.Conv2d)]
        sizes = [tuple(layer.weight.shape) for layer in ours], [(1, channels, 1, 1) for channels in CHANNELS[net]]
        if sizes != ([tuple(weight.shape) for weight, _ in convolutions], [tuple(head.shape) for head in heads]):
            raise ValueError(f"the weights of {name} are of another network; give those of {net}")
        for layer, (weight, bias) in zip(ours, convolutions, strict=True):
            layer.weight.data.copy_(weight)
            cast(Tensor, layer.bias).data.copy_(bias)
        frozen = nn.Module()
        frozen.slices = slices
        for place, head in enumerate(heads):
            frozen.register_buffer(f"head{place}", head.float())
        frozen.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        frozen.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1))
        # In a tuple, so that it is no submodule.
        self._frozen = (frozen.requires_grad_(False).eval(),)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance of each pair.

        Args:
            x: (b, 3, h, w) in [0, 1].
            y: The same.

        Returns:
            (b,) fp32, 0 for equal images.
        """
        with full_precision(x):
            distance = torch.zeros(len(x), device=x.device)
            a, b = self._prepared(x), self._prepared(y)
            for place, layers in enumerate(cast(nn.ModuleList, self._frozen[0].slices)):
                a, b = layers(a), layers(b)
                difference = (_unit(a) - _unit(b)).square()
                head = self._frozen[0].get_buffer(f"head{place}")
                distance = distance + nn.functional.conv2d(difference, head).mean(dim=(1, 2, 3))
            return distance

    def _prepared(self, image: Tensor) -> Tensor:
        frozen, (height, width) = self._frozen[0], image.shape[-2:]
        image = image.float() * 2 - 1
        if min(height, width) < _SMALLEST:
            below, right = max(0, _SMALLEST - height), max(0, _SMALLEST - width)
            image = nn.functional.pad(image, (0, right, 0, below), mode="replicate")
        return (image - frozen.get_buffer("shift")) / frozen.get_buffer("scale")

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        # Follow to the device, but never into another precision.
        frozen = self._frozen[0]
        frozen.to(fn(torch.zeros(1, device=frozen.get_buffer("shift").device)).device)
        return self


class STLPIPS(PerceptualDistance):
    """Shift-tolerant LPIPS (Ghazanfari et al., ECCV 2022): not LPIPS, and its figures are not comparable with LPIPS'.

    Args:
        weights: ``package:stlpips-alex`` or ``package:stlpips-vgg`` for the file that the package stlpips-pytorch
            brings, or the path of such a file.

    Raises:
        FileNotFoundError: There is no such file or package.
        ValueError: The file holds other weights.
    """

    def __init__(self, weights: str = "package:stlpips-alex") -> None:
        path = weights
        if weights.startswith("package:"):
            net = weights.removeprefix("package:stlpips-")
            if net not in CHANNELS:
                raise ValueError(f"weights {weights!r} must be package:stlpips-alex, package:stlpips-vgg or a path")
            mend = f"pip install --no-deps stlpips-pytorch, or give the path of {net}_shift_tolerant.pth"
            path = str(_shipped("stlpips-pytorch", f"{net}_shift_tolerant.pth", mend))
        state = _load(path, mend="give an ST-LPIPS file as weights, or package:stlpips-alex")
        convolutions = _convolutions(state, "net.slice", path)
        # Files are told apart by their first kernel.
        kind: Net = "alex" if convolutions[0][0].shape[-1] == 11 else "vgg"
        super().__init__(f"st-lpips-{kind}", kind, convolutions, _heads(state, path), shift_tolerant=True)


class LPIPS(PerceptualDistance):
    """LPIPS 0.1 (Zhang et al., CVPR 2018); its five heads come with torchmetrics, its trunk is a local file.

    Args:
        net: ``alex``, in which figures are reported, or ``vgg``, which is common as a loss.
        backbone: torchvision's ImageNet weights of AlexNet (``alexnet-owt-7be5be79.pth``) or VGG-16
            (``vgg16-397923af.pth``), a local file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds other weights.
    """

    def __init__(self, net: Net, backbone: str) -> None:
        if net not in CHANNELS:
            raise ValueError(f"net {net!r} is neither 'alex' nor 'vgg'")
        file = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}[net]
        mend = f"bring {file} from download.pytorch.org/models/, or use losses.perceptual.STLPIPS, which needs no file"
        convolutions = _convolutions(_load(backbone, mend=mend), "features.", backbone)
        heads = _shipped("torchmetrics", f"lpips_models/{net}.pth", "pip install torchmetrics")
        super().__init__(f"lpips-{net}", net, convolutions, _heads(_load(heads, mend=""), heads), shift_tolerant=False)


def _unit(features: Tensor) -> Tensor:
    """Features (b, c, h, w) at unit length along c; where there is nothing they stay 0, and so does the gradient."""
    length = features.square().sum(dim=1, keepdim=True).clamp(min=1e-20).sqrt()
    return features / (length + 1e-10)


def _shipped(package: str, ending: str, mend: str) -> Path:
    """A file that an installed package brings, found without importing the package."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.as_posix().endswith(ending):
            return Path(str(file.locate()))
    raise FileNotFoundError(f"no installed package brings {ending} ({package}); {mend}")


def _load(path: str | Path, mend: str) -> dict[str, Tensor]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; {mend}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    except Exception as error:  # a damaged file shows in many ways
        raise ValueError(f"{path}: holds no weights ({type(error).__name__}); {mend}") from None


def _convolutions(state: dict[str, Tensor], prefix: str, path: str | Path) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of the convolutions below ``prefix``, in the order of the file, which is the network's."""
    names = [name for name in state if name.startswith(prefix) and name.endswith(".weight") and state[name].ndim == 4]
    pairs = [(state[name], state.get(name.removesuffix("weight") + "bias")) for name in names]
    if not pairs or any(bias is None for _, bias in pairs):
        raise ValueError(f"{path}: holds no convolutions with biases named {prefix}*")
    return cast(list[tuple[Tensor, Tensor]], pairs)


def _heads(state: dict[str, Tensor], path: str | Path) -> list[Tensor]:
    names = [f"lin{place}.model.1.weight" for place in range(5)]
    missing = [name for name in names if name not in state]
    if missing:
        raise ValueError(f"{path}: holds no {missing[0]}")
    return [state[name] for name in names]
