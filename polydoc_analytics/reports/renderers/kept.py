"""Texts that are slow to make and always the same, kept in the user's folder of caches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from polydoc_analytics.loaders.atomic_write import atomic_write


def kept(name: str, packages: tuple[str, ...], recipe: str, make: Callable[[], str]) -> str:
    """Return the text that ``make`` makes of a recipe by some packages; made anew where their versions are others.

    A file that is damaged counts as none. Where the folder cannot be written, the text is made each time.
    """
    made_of = "\n".join([recipe, *(f"{package} {version(package)}" for package in packages)])
    path = _folder() / f"{name}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.txt"
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        digest, content = b"", b""
    if hashlib.sha256(content).hexdigest().encode() == digest:
        return content.decode()
    text = make()
    _keep(path, text.encode())
    return text


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    except OSError:
        return  # without a folder to write to, it is made each time


def _folder() -> Path:
    """Folder of caches: ``XDG_CACHE_HOME``, on Windows ``LOCALAPPDATA``, else ``~/.cache``."""
    given = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(given or os.path.expanduser("~/.cache")) / "polydoc-analytics"
