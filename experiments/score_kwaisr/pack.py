"""The submission as it is handed in: two folders of 8-bit RGB PNG, a manifest, a readme, one archive."""

import re
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.score_kwaisr.folders import DOMAINS, Item, read
from records.errors import UserError, not_written
from records.files import atomic_path, write_json, write_text
from records.hashing import file_hash
from records.images import write_image


class Readme(NamedTuple):
    """What the organisers ask to be told.

    Attributes:
        runtime: Seconds an image; None where not measured.
        device: What they were measured on.
        extra_data: Whether other data than the challenge's was trained on.
        remark: Anything else.
    """

    runtime: float | None
    device: str
    extra_data: bool
    remark: str

    def text(self, items: Sequence[Item]) -> str:
        """Readme of these pictures."""
        counts = ", ".join(f"{sum(item.domain == domain for item in items)} {domain}" for domain in DOMAINS)
        runtime = "not measured" if self.runtime is None else f"{self.runtime:g}"
        return (
            f"runtime per image [s] : {runtime}\n"
            f"device : {self.device or 'not told'}\n"
            f"Extra Data [1] / No Extra Data [0] : {int(self.extra_data)}\n"
            f"images : {counts}\n"
            f"Other description : {self.remark or 'none'}\n"
        )


def pack(target: Path, items: Sequence[Item], readme: Readme) -> Path:
    """Write a checked submission.

    Args:
        target: A folder, which also gets an archive of its name beside it, or a file ending in ``.zip``.
        items: Pictures that passed the check.
        readme: What it says.

    Returns:
        The archive.

    Raises:
        UserError: The folder holds something already, is the submission itself, or cannot be written.
    """
    only_archive = target.suffix.lower() == ".zip"
    folder = target.with_name(f".{target.name}.folder") if only_archive else target
    if not only_archive and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("is there already and not empty", where=str(folder), mend="name a new folder")
    archive = target if only_archive else folder.with_name(f"{folder.name}.zip")
    for item in items:
        # Some program that unpacks it would take the name for a path.
        if re.search(r"[/\\\x00]|^\.*$", item.stem):
            raise UserError(f"{item.stem!r} is no base name", where=str(item.file), mend="rename the picture")
    try:
        for item in items:
            write_image(folder / item.domain / f"{item.stem}.png", read(item.file))
        names = [f"{item.id}.png" for item in items]
        hashes = {name: file_hash(folder / name) for name in names}
        write_json(folder / "manifest.json", {**readme._asdict(), "sha256": hashes})
        write_text(folder / "readme.txt", readme.text(items))
        with atomic_path(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file:
            for name in (*names, "manifest.json", "readme.txt"):
                file.write(folder / name, name)
    except OSError as error:
        raise not_written(error.filename or target, error) from None
    finally:
        if only_archive:
            shutil.rmtree(folder, ignore_errors=True)
    return archive
