"""The image libraries: one OpenCV and not several, and what Pillow can read."""

from collections.abc import Iterator

from experiments.diagnosis.finding import Finding, told
from experiments.diagnosis.packages import installed

# All of them unpack into the one folder cv2, so the last one installed has overwritten parts of the others.
OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
OURS = "opencv-python-headless"


def images() -> Iterator[Finding]:
    """OpenCV and Pillow."""
    yield from _opencv()
    yield from _pillow()


def _opencv() -> Iterator[Finding]:
    here = [name for name in OPENCVS if installed(name)]
    remade = f"pip uninstall -y {' '.join(here)} && pip install {OURS}"
    if len(here) > 1:
        what = f"{' and '.join(here)} are installed over each other"
        yield Finding("warning", "opencv", what, remade)
    try:
        import cv2
        import numpy as np

        picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
        saved, data = cv2.imencode(".png", picture)
        again = cv2.imdecode(data, cv2.IMREAD_COLOR) if saved else None
        whole = again is not None and np.array_equal(again, picture)
    except Exception as error:
        yield Finding("error", "opencv", f"cannot be used ({told(error)})", remade)
        return
    if not whole:
        yield Finding("error", "opencv", "does not give a picture back that it has saved", remade)
    elif len(here) < 2:
        yield Finding("ok", "opencv", f"{here[0] if here else 'cv2'} {cv2.__version__}")


def _pillow() -> Iterator[Finding]:
    mend = "pip install --force-reinstall 'pillow>=10.1'"
    try:
        import PIL
        from PIL import features
    except Exception as error:
        yield Finding("error", "pillow", f"cannot be imported ({told(error)})", mend)
        return
    lacking = [kind for kind, name in (("JPEG", "jpg"), ("PNG", "zlib"), ("WebP", "webp")) if not features.check(name)]
    if lacking:
        yield Finding("error", "pillow", f"{PIL.__version__} was built without {', '.join(lacking)}", mend)
    else:
        yield Finding("ok", "pillow", f"{PIL.__version__} with JPEG, PNG and WebP")
