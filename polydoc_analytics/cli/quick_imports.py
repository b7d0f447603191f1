"""Imports that the command line does without, since its own code uses nothing of them."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any


def leave_out_unused() -> None:
    """Let NumPy start no threads for linear algebra, and PyArrow not look for pandas on behalf of this package.

    PyArrow imports pandas, where it is installed, at the first array that it makes: half a second. Other packages get
    pandas as ever.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not any(isinstance(finder, _NoPandas) for finder in sys.meta_path):
        sys.meta_path.insert(0, _NoPandas())


class _NoPandas:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find nothing, which leaves a module to other finders; raises ModuleNotFoundError for pandas of our own."""
        if name == "pandas":
            frame = sys._getframe(1)
            while frame.f_back is not None and "importlib" in frame.f_code.co_filename:
                frame = frame.f_back
            if str(frame.f_globals.get("__name__")).startswith(f"{__package__.partition('.')[0]}."):
                raise ModuleNotFoundError("pandas is left out", name=name)
        return None
