"""A screenshot made small enough for a repository: a palette, the best compression, and a note of what it shows.

Knows 8-bit RGB without interlacing, which is what Chromium writes.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

MAGIC = b"\x89PNG\r\n\x1a\n"
NOTE = b"Comment\0"
Colour = tuple[int, int, int]


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each part."""
    assert data.startswith(MAGIC)
    at = len(MAGIC)
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def size(data: bytes) -> tuple[int, int]:
    """Width and height."""
    width, height = struct.unpack(">II", dict(chunks(data))[b"IHDR"][:8])
    return width, height


def note(data: bytes) -> str:
    """What `small` was told that the picture shows."""
    return next(c.removeprefix(NOTE).decode("ascii") for k, c in chunks(data) if k == b"tEXt" and c.startswith(NOTE))


def small(data: bytes, says: str) -> bytes:
    """The same picture in the 256 colours that it uses most, with a note in ASCII."""
    rows = list(_rows(data))
    seen = Counter(colour for row in rows for colour in row)
    palette = [colour for colour, _ in seen.most_common(256)]
    nearest = {c: min(range(len(palette)), key=lambda n, c=c: _apart(c, palette[n])) for c in seen}
    pixels = b"".join(b"\0" + bytes(nearest[c] for c in row) for row in rows)
    width, height = size(data)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"tEXt", NOTE + says.encode("ascii")),
        (b"PLTE", bytes(v for colour in palette for v in colour)),
        (b"IDAT", zlib.compress(pixels, 9)),
        (b"IEND", b""),
    ]
    return MAGIC + b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in parts)


def _apart(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _rows(data: bytes) -> Iterator[list[Colour]]:
    """The pixels, with the filters of the format undone."""
    header = dict(chunks(data))[b"IHDR"]
    assert header[8:13] == bytes([8, 2, 0, 0, 0]), "not 8-bit RGB"
    width, height = size(data)
    raw = zlib.decompress(b"".join(c for k, c in chunks(data) if k == b"IDAT"))
    stride = 3 * width
    above = bytes(stride)
    for y in range(height):
        start = y * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        for x in range(stride):
            left, corner = (line[x - 3], above[x - 3]) if x >= 3 else (0, 0)
            line[x] = (line[x] + _guess(raw[start], left, above[x], corner)) & 255
        above = bytes(line)
        yield [(line[x], line[x + 1], line[x + 2]) for x in range(0, stride, 3)]


def _guess(way: int, left: int, up: int, corner: int) -> int:
    match way:
        case 1:
            return left
        case 2:
            return up
        case 3:
            return (left + up) // 2
        case 4:
            middle = left + up - corner
            return min((left, up, corner), key=lambda v: abs(middle - v))
        case _:
            return 0
