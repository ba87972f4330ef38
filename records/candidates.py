"""Two restored images of every low-resolution one, as files, and what is known of how they were made."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from records.errors import UserError
from records.files import read_json, write_json
from records.labels import clean_id

FILE = "candidates.json"
Kind = Literal["psnr", "per"]
# The faithful candidate and the perceptual one.
KINDS: tuple[Kind, Kind] = ("psnr", "per")


@dataclass(frozen=True)
class Candidate:
    """The two candidates of one image.

    Args:
        id: Path of the low-resolution image relative to the data root.
        split: Split that it belongs to.
        domain: ``synthetic`` or ``wild``.
        size: Height and width of both candidates, pixels.
        scale: Candidate's side by the low-resolution image's.
        seen: Whether what made them was trained on this image; None where that is not known.
        made: How: strengths, colour fix and tiles, as the maker tells.
    """

    id: str
    split: str
    domain: str
    size: tuple[int, int]
    scale: int
    seen: bool | None = None
    made: dict[str, Any] = field(default_factory=dict)

    def path(self, kind: Kind) -> Path:
        """The file of one candidate, relative to the folder of all."""
        return Path(self.split, self.domain, kind, PurePosixPath(self.id).stem + ".png")


@dataclass(frozen=True)
class CandidateSet:
    """A folder of candidates, all made by one checkpoint.

    Args:
        root: The folder: ``SPLIT/DOMAIN/{psnr,per}/STEM.png`` and ``candidates.json``.
        maker: What made them: hash of the checkpoint and of the settings it was used with.
        facts: What else is known: settings, date, environment.
        images: The images.
    """

    root: Path
    maker: dict[str, Any]
    facts: dict[str, Any]
    images: list[Candidate]

    def write(self) -> None:
        """Write ``candidates.json``, in the order of splits and ids.

        Raises:
            UserError: Two images would share a file.
        """
        known: dict[Path, Candidate] = {}
        for image in self.images:
            other = known.setdefault(image.path("psnr"), image)
            if other.id != image.id:
                raise UserError(
                    f"{other.id} and {image.id} would both be {image.path('psnr')}",
                    where=str(self.root),
                    mend="give images of one domain and split different stems",
                )
        rows = [asdict(image) for image in sorted(self.images, key=lambda image: (image.split, image.id))]
        write_json(self.root / FILE, {"maker": self.maker, **self.facts, "images": rows})


def read_candidates(root: str | Path) -> CandidateSet:
    """Read ``candidates.json`` of a folder.

    Raises:
        UserError: There is none, or it is no such file.
    """
    path = Path(root) / FILE
    mend = "write candidates by predict with configs/trainer/candidates.yaml"
    if not path.is_file():
        raise UserError("no such file", where=str(path), mend=mend)
    try:
        facts = read_json(path)
        return CandidateSet(Path(root), facts.pop("maker"), facts, candidates(facts.pop("images")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"holds no candidates ({type(error).__name__}: {error})", where=str(path), mend=mend) from None


def candidates(rows: Iterable[dict[str, Any]]) -> list[Candidate]:
    """Candidates of plain values, as they stand in files.

    Raises:
        TypeError: Others than those of :class:`Candidate`.
        ValueError: A name in them would lead out of the folder, or a size is none.
    """
    found = []
    for row in rows:
        height, width = map(int, row["size"])
        image = Candidate(**{**row, "size": (height, width)})
        for name in (image.split, image.domain):
            if clean_id(name) != name or "/" in name:
                raise ValueError(f"{name!r} is no name of a folder")
        if clean_id(image.id) != image.id:
            raise ValueError(f"file name {image.id!r} is not written as an id")
        if not isinstance(image.scale, int) or min(height, width, image.scale) < 1:
            raise ValueError(f"{image.id} has no size or scale")
        found.append(image)
    return found
