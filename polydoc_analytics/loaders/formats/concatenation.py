"""Parquet and Arrow IPC files that are several files concatenated, as by cat.

The footer at the end is that of the last file, and its offsets are read from the beginning of the first one: rows would
be lost, or have mixed values.
"""

from __future__ import annotations

import mmap
import re

_JOINTS = {b"PAR1": re.compile(b"PAR1PAR1"), b"ARRO": re.compile(b"ARROW1ARROW1")}
"""The end mark of one file and the mark at the beginning of the next, by how files begin."""
_LEAST_FOOTER = 32


def is_concatenated(content: bytes | mmap.mmap, end: int | None = None) -> bool:
    """Check whether a file's content is several files; joints are looked for up to ``end`` if it is given."""
    joint = _JOINTS.get(content[:4])
    found = joint.finditer(content, 0, len(content) if end is None else end) if joint else ()
    return any(_ends_with_footer(content, match.start()) for match in found)


def is_concatenated_file(path: str, end: int | None = None) -> bool:
    """Check whether the file at a path is several files; see :func:`is_concatenated`."""
    with open(path, "rb") as file:
        if not file.read(1):
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return is_concatenated(content, end)


def _ends_with_footer(content: bytes | mmap.mmap, at: int) -> bool:
    """Check whether a footer and its length stand before a joint, which may be a text of a run as well."""
    size = int.from_bytes(content[at - 4 : at], "little")
    begin = at - 4 - size
    if size < _LEAST_FOOTER or begin < len(b"PAR1"):
        return False
    if content[:4] == b"PAR1":  # in Thrift's compact protocol a first field that is a number, and the end of all
        return content[begin] == 0x15 and content[at - 5] == 0
    return int.from_bytes(content[begin : begin + 4], "little") < size  # in a flat buffer the place of its root
