"""Texts of the data as safe parts of file names."""

from __future__ import annotations

import hashlib
import re

_MAX_LENGTH = 64
_SAFE = re.compile(r"[a-z0-9_-]{1,64}")
_HASHED = re.compile(r".*_[0-9a-f]{12}", re.DOTALL)
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")


def file_name(text: str) -> str:
    """Build a unique part of a file's name from a text, on case-insensitive disks too.

    A short text of lower-case ASCII letters, digits, ``-`` and ``_`` stays as it is. Any other, and the names that
    Windows reserves for devices, gets twelve digits of its SHA-256 behind it.
    """
    # A text that ends as a hashed one does is hashed too, so that no plain name can be that of another text.
    if _SAFE.fullmatch(text) and not _RESERVED.fullmatch(text) and not _HASHED.fullmatch(text):
        return text
    plain = re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:_MAX_LENGTH]
    return f"{plain}_{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
