"""Whether a file has fewer bytes than its own header promises."""

from pathlib import Path


def ends_early(path: Path) -> bool:
    """Whether the header of an AVI or Matroska (WebM) file promises more bytes than there are; False for others.

    An mp4 tells the same by its index, which libav reads.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little") > size
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska_end(head) > size
    return False


def _matroska_end(head: bytes) -> int:
    """Byte after the segment, 0 if unknown (as while streaming)."""
    # EBML header: identifier of four bytes, its size, its body; then the segment's identifier and size.
    length, body = _vint(head, 4)
    segment = body + length
    if head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return 0
    length, body = _vint(head, segment + 4)
    unknown = length == (1 << 7 * (body - segment - 4)) - 1
    return 0 if unknown else body + length


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """An EBML number and the place after it."""
    if at >= len(data) or not data[at]:
        return 0, at + 1
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return value, at + width
