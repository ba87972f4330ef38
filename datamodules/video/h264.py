"""At which H.264 packets decoding may start.

Containers and libav call a packet a key frame too where a gradual refresh begins, from which the picture is whole only
many frames later, and where an I picture stands that earlier frames may be reached across.
"""

_IDR, _SEI = 5, 6  # types of units
_RECOVERY_POINT = 6  # type of SEI message


def length_width(extradata: bytes) -> int:
    """Bytes of each unit's length field, as mp4, Matroska and FLV store units; 0 if they are stored otherwise."""
    return (extradata[4] & 3) + 1 if len(extradata) > 4 and extradata[0] == 1 else 0


def units(packet: bytes, width: int) -> list[bytes]:
    """The units of a packet, each after its length in ``width`` bytes."""
    found, at = [], 0
    while at + width < len(packet):
        length = int.from_bytes(packet[at : at + width], "big")
        found.append(packet[at + width : at + width + length])
        at += width + length
    return found


def is_instant(packet: bytes, width: int) -> bool:
    """The packet refreshes the decoder (IDR): nothing after it refers to anything before."""
    return any(unit[0] & 31 == _IDR for unit in units(packet, width) if unit)


def is_entry(packet: bytes, width: int) -> bool:
    """Decoding may start here: an IDR picture, or a recovery point that is whole at once (as of an open group)."""
    return any(
        unit[0] & 31 == _IDR or (unit[0] & 31 == _SEI and _recovers_at_once(unit[1:]))
        for unit in units(packet, width)
        if unit
    )


def _recovers_at_once(messages: bytes) -> bool:
    data = messages.replace(b"\0\0\3", b"\0\0")  # a 3 keeps two zeros from looking like a start code
    at = 0
    while at + 2 < len(data):
        kind, at = _number(data, at)
        size, at = _number(data, at)
        if kind == _RECOVERY_POINT:
            # The number of frames until then comes first, in a code in which zero is a single set bit.
            return at < len(data) and data[at] >= 0x80
        at += size
    return False


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A sum of bytes that goes on as long as they are 255, and the place after it."""
    total = 0
    while at < len(data) and data[at] == 255:
        total, at = total + 255, at + 1
    return total + (data[at] if at < len(data) else 0), at + 1
