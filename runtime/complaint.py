"""What a class says against its arguments, out of what the parser wraps around it, with the key of the class."""

from collections.abc import Iterator
from types import FrameType
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from records.errors import UserError

OURS = ("callbacks", "datamodules", "lightning_modules", "losses", "metrics", "models", "runtime")
_TRAINER = ("lightning.pytorch.trainer", "lightning.fabric")


def complaint(error: Exception, config: dict[str, Any], file: str = "") -> UserError | None:
    """The complaint of a constructor as one sentence.

    Args:
        error: What came out of the parser.
        config: The configuration as plain values; tells the key that the class stands under.
        file: Where that comes from, if not from the command line.

    Returns:
        None where no class complained of a value: then it is no mistake of the user.
    """
    place = f"{file}: " if file else ""
    for cause in reversed(list(_causes(error))):
        if isinstance(cause, UserError):
            return UserError(cause.what, where=place + cause.where, mend=cause.mend) if file else cause
        if isinstance(cause, ValueError | OSError) and (owners := _owners(cause)):
            what, _, mend = str(cause).rpartition("; ")
            return UserError(what or mend, where=place + _key(config, owners), mend=mend if what else "")
    if isinstance(error, ValueError | MisconfigurationException):
        told = " ".join(str(error).split()).rstrip(".!")[:600]
        if "gpu backend" in told:
            return UserError(told, where=f"{place}trainer.accelerator", mend="give --trainer.accelerator cpu")
        about = "trainer" if any(module.startswith(_TRAINER) for module in _modules(error)) else "configuration"
        return UserError(told, where=place + about, mend="python train.py fit --help lists every option")
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _owners(error: BaseException) -> list[str]:
    """Class paths of ours whose methods an error came through, innermost first; none where other code raised it."""
    frames = _frames(error)
    if not frames or not _is_ours(_modules(error)[-1]):
        return []
    holders = [type(frame.f_locals["self"]) for frame in reversed(frames) if "self" in frame.f_locals]
    ours = [f"{kind.__module__}.{kind.__qualname__}" for kind in holders if _is_ours(kind.__module__)]
    return ours or [_modules(error)[-1]]


def _frames(error: BaseException) -> list[FrameType]:
    frames: list[FrameType] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    return frames


def _modules(error: BaseException) -> list[str]:
    return [str(frame.f_globals.get("__name__")) for frame in _frames(error)]


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS


def _key(config: dict[str, Any], owners: list[str]) -> str:
    """Every key that the innermost class of the configuration stands under; the name of a class that none names."""
    keys = list(_keys(config))
    for owner in owners:
        if found := [f"{key}.init_args" for key, class_path in keys if class_path == owner]:
            return " or ".join(found[:3])
    return owners[0].rpartition(".")[2]


def _keys(value: Any, above: str = "") -> Iterator[tuple[str, str]]:
    value = value.as_dict() if isinstance(value, Namespace) else value
    if isinstance(value, dict):
        if isinstance(value.get("class_path"), str):
            yield above, value["class_path"]
        for name, inner in value.items():
            yield from _keys(inner, f"{above}.{name}" if above else str(name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _keys(inner, f"{above}[{place}]")
