"""Numbers in wire order, read from bytes that may be too short. Pure."""

IPV4, IPV6 = 4, 6


class MalformedError(ValueError):
    """A header is truncated, or its lengths contradict each other."""


def need(raw: bytes, length: int) -> None:
    """Raise MalformedError when fewer than `length` bytes are there."""
    if len(raw) < length:
        raise MalformedError(f"{len(raw)} of {length} bytes")


def uint16(raw: bytes, offset: int) -> int:
    """Return two bytes as a number."""
    return int.from_bytes(raw[offset : offset + 2], "big")


def uint32(raw: bytes, offset: int) -> int:
    """Return four bytes as a number."""
    return int.from_bytes(raw[offset : offset + 4], "big")
