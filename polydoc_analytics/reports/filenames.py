"""Texts of the data as safe parts of file names."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection

_MAX_LENGTH = 64
_SAFE = re.compile(r"[a-z0-9_-]{1,64}")
_HASHED = re.compile(r".*_[0-9a-f]{12}", re.DOTALL)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID_DIGITS, _MAX_NAME = 8, 40
_RESERVED = re.compile(r"all|con|prn|aux|nul|com[0-9]|lpt[0-9]")


def file_name(text: str) -> str:
    """Build a unique part of a file's name from a text, on case-insensitive disks too.

    A short text of lower-case ASCII letters, digits, ``-`` and ``_`` stays as it is. Any other, the names that Windows
    reserves for devices, and ``all``, where what is of all accounts is put, get twelve digits of their SHA-256 behind.
    """
    # A text that ends as a hashed one does is hashed too, so that no plain name can be that of another text.
    if _SAFE.fullmatch(text) and not _RESERVED.fullmatch(text) and not _HASHED.fullmatch(text):
        return text
    plain = re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:_MAX_LENGTH]
    return f"{plain}_{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def name_slug(text: str) -> str:
    """Return the words of a name in ASCII letters, for people who read file names; empty where there are none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_MAX_NAME].strip("-")


def short_codes(texts: Collection[str]) -> dict[str, str]:
    """Build unique short codes of ids: the first eight digits of a UUID where no other begins so, else file_name()."""
    codes = {text: text[:_UUID_DIGITS] if UUID.fullmatch(text) else file_name(text) for text in texts}
    counts = Counter(codes.values())
    return {text: file_name(text) if counts[code] > 1 else code for text, code in codes.items()}
