"""What a command ends with, by name, in a form that is equal where every bit is."""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Near(float):
    """A figure of a validation: decoded clips differ in no bit, but what a network makes of them may in the last."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and (abs(self - other) < 1e-5 or (math.isnan(self) and math.isnan(other)))

    __hash__ = float.__hash__


# Of a checkpoint: what training goes on with, less the paths of files and the time of day.
STATE = ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "epoch", "global_step")


def fit_outcome(run: Path) -> dict[str, Any]:
    """Weights, raw and averaged, optimiser and training record of a run bit for bit, and its scores nearly."""
    import torch

    from records.runs import read_metrics, read_status, read_summary

    found: dict[str, Any] = {}
    for name in ("last", "best"):
        checkpoint = torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)
        for part in STATE:
            found |= {f"{name} {key}": value for key, value in _flat(checkpoint.get(part), part)}
    found["state"] = read_status(run / "status.json")["state"]
    found |= {f"summary {key}": near(read_summary(run).get(key)) for key in ("val", "best", "last", "epochs")}
    for row in read_metrics(run):
        names = ", ".join(sorted(row.keys() - {"step", "epoch"}))
        found[f"record of {names} at step {row['step']}"] = near(row) if "val/" in names else row
    for name in ("predictions.parquet", "image_scores.parquet"):
        if (run / name).is_file():
            found |= {f"{name} {key}": near(value) for key, value in columns(run / name).items()}
    return found


def checkpoints(run: Path) -> None:
    """Every checkpoint of a run is whole."""
    import torch

    for path in (run / "checkpoints").glob("[!.]*.ckpt"):
        torch.load(path, weights_only=True)


def columns(table: Path) -> dict[str, Any]:
    """Columns of a Parquet file."""
    import pyarrow.parquet as pq

    return pq.read_table(table).to_pydict()


def near(value: Any) -> Any:
    """A value whose fractions are equal to near ones."""
    if isinstance(value, dict):
        return {key: near(item) for key, item in value.items()}
    return (
        [near(item) for item in value]
        if isinstance(value, list)
        else Near(value)
        if isinstance(value, float)
        else value
    )


def tree(folder: Path, *patterns: str) -> dict[str, str]:
    """Hashes of the files that match, by their path relative to ``folder``."""
    files = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]
    return {path.relative_to(folder).as_posix(): _hash(path.read_bytes()) for path in files}


def pictures(folder: Path) -> list[Path]:
    """Whole PNG files below a folder."""
    return [path for path in folder.rglob("*.png") if not path.name.startswith(".")]


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    import torch

    if isinstance(value, dict | list | tuple):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            yield from _flat(item, f"{name}.{key}")
    elif isinstance(value, torch.Tensor):
        yield name, (str(value.dtype), tuple(value.shape), _hash(value.contiguous().view(-1).numpy().tobytes()))
    else:
        yield name, value


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
