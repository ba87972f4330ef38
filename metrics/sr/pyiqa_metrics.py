"""The challenge's learned metrics through pyiqa, with local weights, and with no download unless asked for."""

import hashlib
import importlib
import io
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from metrics.sr.registry import Metric, MetricUnavailable, Picture, Scorer

_SEED = 0


def create(metric: Metric, weights: Path | None = None, allow_download: bool = False) -> Scorer:
    """A metric of pyiqa with its default settings, on the CPU as the challenge's scorer runs it.

    Args:
        metric: One of LPIPS, MUSIQ, MANIQA, CLIPIQA.
        weights: Local checkpoint: the metric's own, for CLIPIQA that of CLIP RN50.
        allow_download: Whether pyiqa may fetch what it lacks.

    Raises:
        MetricUnavailable: pyiqa is not installed, weights are missing or of another network.
    """
    ways = f"{metric.requires}, name local weights by --weights {metric.name}=FILE or say --allow-download"
    try:
        pyiqa = importlib.import_module("pyiqa")
    except ImportError as error:
        raise MetricUnavailable(metric.name, f"pyiqa is not there ({error})", ways) from None
    try:
        with ExitStack() as stack:
            if not allow_download:
                stack.enter_context(without_network())
                stack.enter_context(redirect_stdout(io.StringIO()))  # it says "Downloading" before it is refused
            network = pyiqa.create_metric(metric.name, device="cpu", **_options(metric.name, weights, stack))
        if weights is not None and metric.name != "clipiqa":
            network.net.load_state_dict(_checkpoint(weights))
    except Exception as error:  # a library's many kinds: no network, no file, another shape
        what = " ".join(str(error).split() or [type(error).__name__]).removeprefix("<urlopen error ").removesuffix(">")
        raise MetricUnavailable(metric.name, what[:200], ways) from None
    digest = file_sha256(weights) if weights else _digest(network.net)

    def score(sr: Picture, hr: Picture | None) -> float:
        pictures = [_tensor(sr)] if hr is None or not metric.needs_ref else [_tensor(sr), _tensor(hr)]
        with _seeded(), torch.no_grad():
            return float(network(*pictures).squeeze())

    return Scorer(metric, score, digest)


@contextmanager
def without_network() -> Iterator[None]:
    """Every look-up of a host fails at once, so that a library uses what lies on disk or says what it lacks."""

    def refuse(host: Any, *_: Any, **__: Any) -> Any:
        raise OSError(f"weights are not on this machine, and fetching them from {host} was not allowed")

    with ExitStack() as stack:
        stack.enter_context(patch.object(socket, "getaddrinfo", refuse))
        with suppress(ImportError):
            constants = importlib.import_module("huggingface_hub.constants")
            # It would try again for a minute otherwise.
            stack.enter_context(patch.object(constants, "HF_HUB_OFFLINE", True))
        yield


def file_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _options(name: str, weights: Path | None, stack: ExitStack) -> dict[str, Any]:
    if weights is None:
        return {}
    if name == "clipiqa":
        return {"backbone": str(weights)}
    if name == "maniqa":
        # Its constructor fetches ImageNet weights first, which the checkpoint then overwrites.
        import timm

        bare = timm.create_model
        stack.enter_context(patch.object(timm, "create_model", lambda *a, **k: bare(*a, **{**k, "pretrained": False})))
    return {"pretrained": False}


def _checkpoint(path: Path) -> Mapping[str, Tensor]:
    """State dict of a checkpoint, read without running code in it."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("params", state)
    return {key.removeprefix("module."): value for key, value in state.items()}


def _digest(network: nn.Module) -> str:
    """SHA-256 over names and values of all weights, CLIP's too, which CLIPIQA keeps in a list."""
    digest = hashlib.sha256()
    for module in (network, *getattr(network, "clip_model", ())):
        for name, value in module.state_dict().items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def _seeded() -> Iterator[None]:
    """MANIQA cuts random crops in some releases: the same ones for every picture and run."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        np.random.seed(_SEED)
        try:
            yield
        finally:
            np.random.set_state(state)


def _tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float().div(255)
