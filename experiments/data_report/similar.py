"""Near-duplicates by difference hash: which videos show nearly the same three frames.

A difference hash (Krawetz, "Kind of like that", 2013) is one bit for each pair of horizontal neighbours in a picture
of 9x8 pixels: is the right one brighter? It withstands compression, scaling and changes of brightness.
"""

from collections.abc import Iterator, Sequence

import numpy as np

BITS = 64
# Of the bits compared. Other encodings of a clip differ in 0 to 0.09 of them, other cuts of one scene in 0.1 to 0.25,
# unrelated clips in more.
MOST_DIFFERING = 0.1
# A picture flatter than this, in grey levels of 9x8 pixels, has noise for bits.
LEAST_DEVIATION = 3.0
# Frames that must have structure in both videos.
LEAST_FRAMES = 2


def fingerprint(rgb: np.ndarray) -> int | None:
    """Difference hash of a picture.

    Args:
        rgb: uint8 (height, width, 3).

    Returns:
        An integer of 64 bits, or None where the picture is too flat to be told from another.
    """
    from PIL import Image

    small = Image.fromarray(rgb).convert("L").resize((9, 8), Image.Resampling.BOX)
    grey = np.asarray(small, np.int16)
    if grey.std() < LEAST_DEVIATION:
        return None
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")


def alike(prints: Sequence[tuple[int | None, ...]], chunk: int = 512) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of videos that look alike.

    Args:
        prints: Hashes of the frames of each video, as many for each, in the same order; () for a video to pass over.
        chunk: Videos compared at a time with all others; bounds the memory.

    Yields:
        ``(first, second)``: positions, int64 (pairs,), ``first < second``.
    """
    count = max(map(len, prints), default=0)
    signs = np.zeros((len(prints), count * BITS), np.float32)
    for row, hashes in enumerate(prints):
        for place, value in enumerate(hashes):
            if value is not None:
                bits = np.unpackbits(np.frombuffer(value.to_bytes(BITS // 8, "big"), np.uint8))
                signs[row, place * BITS : (place + 1) * BITS] = 2.0 * bits - 1
    known = np.abs(signs[:, ::BITS]) if count else signs
    for start in range(0, len(prints), chunk):
        stop = start + chunk
        # Equal signs minus unequal ones, over the frames that have a hash in both videos.
        agreement = signs[start:stop] @ signs[start:].T
        common = BITS * (known[start:stop] @ known[start:].T)
        near = (common - agreement <= 2 * MOST_DIFFERING * common) & (common >= LEAST_FRAMES * BITS)
        first, second = np.nonzero(np.triu(near, 1))
        yield first + start, second + start
