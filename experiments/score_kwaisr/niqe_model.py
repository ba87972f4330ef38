"""The NIQE model of a data set, fitted on its good pictures and kept in one file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from metrics.sr.niqe import NIQEModel, fit, load, save
from records.errors import UserError, not_written
from records.files import atomic_path
from records.images import UnreadableImage, find_images, read_image

# Folders inside a data set, which say nothing of which one it is.
_INNER = {"hr", "lr", "synthetic", "wild", "train", "val", "test"}


def fit_model(folder: Path, file: Path | None) -> None:
    """Fit on every readable picture below a folder and write the model.

    Raises:
        UserError: There are too few pictures, or no file to write is named.
    """
    if file is None:
        raise UserError("is missing", where="--niqe", mend="name the file that the fitted model is written to")
    found, unreadable = find_images(folder), []

    def pictures() -> Iterator[np.ndarray]:
        for path in found:
            try:
                yield read_image(path)
            except UnreadableImage:
                unreadable.append(path)

    try:
        model = fit(pictures(), dataset_name(folder))
        with atomic_path(file) as temporary:
            save(model, temporary)
    except ValueError as error:
        mend = "give a folder of more, or larger, good pictures"
        raise UserError(f"{len(found)} pictures: {error}", where=str(folder), mend=mend) from None
    except OSError as error:
        raise not_written(file, error) from None
    passed_over = f", {len(unreadable)} unreadable files passed over" if unreadable else ""
    print(f"niqe@{model.name}: {model.patches} patches of {len(found) - len(unreadable)} pictures{passed_over}: {file}")


def load_model(file: Path) -> tuple[NIQEModel, dict[str, Any]]:
    """A fitted model, and what results files tell of it.

    Raises:
        UserError: The file is none.
    """
    try:
        model, digest = load(file)
    except OSError as error:
        raise UserError(
            f"cannot be read ({error.strerror})", where=str(file), mend="fit a model by --fit-niqe FOLDER"
        ) from None
    except ValueError as error:
        raise UserError(str(error), where=str(file), mend="fit a model by --fit-niqe FOLDER") from None
    return model, {"name": f"niqe@{model.name}", "patches": model.patches, "patch": model.patch, "sha256": digest}


def dataset_name(folder: Path) -> str:
    """``mini-kwaisr`` of ``data/mini-kwaisr/train/synthetic/hr``."""
    parts = [part for part in folder.resolve().parts[1:] if part not in _INNER]
    return parts[-1] if parts else "pictures"
