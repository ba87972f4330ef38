"""Where a set of images keeps its splits, and what its names mean."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from records.errors import UserError
from records.places import MEND, leads_out

SPLITS = ("train", "val", "test")
Kind = Literal["lr", "hr", "wild"]
KEYS = "data.init_args.layout"


@dataclass(frozen=True)
class Layout:
    """Folders below the root and names of images.

    ``{split}`` in a folder stands for the name of the split. The images of a pair have the same path below their
    folders, whatever their suffix.

    Args:
        lr: Folder of the low-resolution images of pairs.
        hr: Folder of the high-resolution images of pairs.
        wild: Folder of the images without a high-resolution counterpart.
        splits: What folders call ``train``, ``val`` and ``test`` where it is something else: ``{val: validation}``.
        lr_ending: What follows the common name in low-resolution names: ``x4`` for ``0801x4.png``. Others are left out.
        hr_ending: The same for high-resolution names.
        content: Regular expression for names without suffix, of which the first group says what an image shows: images
            of one scene are no independent evidence. ``(.+)-[0-9]+`` finds ``mug`` in ``mug-02``. Empty: each its own.
    """

    lr: str = "{split}/synthetic/lr"
    hr: str = "{split}/synthetic/hr"
    wild: str = "{split}/wild"
    splits: dict[str, str] = field(default_factory=dict)
    lr_ending: str = ""
    hr_ending: str = ""
    content: str = ""

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UserError: Names the key.
        """
        for kind in ("lr", "hr", "wild"):
            template = getattr(self, kind)
            if "{split}" not in template:
                what, mend = f"{template!r} is the same for all splits", "write {split} for the split, as in {split}/lr"
                raise UserError(what, where=f"{KEYS}.{kind}", mend=mend)
            if template.startswith("/") or ".." in template.split("/"):
                raise UserError(f"{template!r} leaves the root", where=f"{KEYS}.{kind}", mend="name a folder below it")
        unknown = sorted(self.splits.keys() - set(SPLITS))
        if unknown:
            raise UserError(f"no split {unknown[0]!r}", where=f"{KEYS}.splits", mend=f"name {', '.join(SPLITS)}")
        if self.content:
            try:
                groups = re.compile(self.content).groups
            except re.error as error:
                raise UserError(f"no regular expression ({error})", where=f"{KEYS}.content", mend="mend it") from None
            if not groups:
                raise UserError("has no group", where=f"{KEYS}.content", mend="put the content's part in parentheses")

    def folder(self, root: Path, kind: Kind, split: str) -> Path:
        """Folder of the images of one kind and split.

        Raises:
            UserError: Links lead from it out of the root.
        """
        template: str = getattr(self, kind)
        folder = root / template.replace("{split}", self.splits.get(split, split))
        if leads_out(folder, root):
            raise UserError("leads out of the data root by a link", where=str(folder), mend=MEND)
        return folder

    def content_of(self, path: Path, id: str) -> str:
        """What an image shows; its id where its name does not tell."""
        found = re.fullmatch(self.content, path.stem) if self.content else None
        return found[1] if found and found[1] else id
