"""Imports that the command line does without, since its own code uses nothing of them."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any

_OWN = f"{__package__.partition('.')[0]}."
_LEFT_OUT = {"pandas": (_OWN, "pandera.", "pyarrow.compute."), "hypothesis": ("pandera.",)}
"""Modules, and who gets none of them: names of importing modules, by their beginnings."""


def leave_out_unused() -> None:
    """Let NumPy start no threads for linear algebra, and hide what PyArrow and pandera can use but need not.

    PyArrow imports pandas, where it is installed, at the first array that it makes: half a second. pandera imports it
    together with more, and hypothesis, neither of which checks of Polars frames need: 0.4 s. Other packages get both
    as ever.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not any(isinstance(finder, _LeftOut) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LeftOut())


class _LeftOut:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find nothing, which leaves a module to other finders; raises ModuleNotFoundError for one that is left out."""
        if name in _LEFT_OUT:
            frame = sys._getframe(1)
            while frame.f_back is not None and "importlib" in frame.f_code.co_filename:
                frame = frame.f_back
            if f"{frame.f_globals.get('__name__')}.".startswith(_LEFT_OUT[name]):
                # In Python's own words, by which pandera knows that there is no pandas.
                raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return None
