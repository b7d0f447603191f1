"""The Jupyter extension: %polydoc, %%polydoc, completion, tables and offline charts."""

from __future__ import annotations

from typing import Any


def load(shell: Any) -> None:
    """Add the magics, the completion and the display formatters to an IPython shell; loading twice changes nothing."""
    from polydoc_analytics.notebook import completion, display
    from polydoc_analytics.notebook.magic import PolydocMagics

    unload(shell)
    magics = PolydocMagics(shell)
    shell.register_magics(magics)
    completion.add(shell, magics)
    display.add(shell)


def unload(shell: Any) -> None:
    """Remove what :func:`load` has added."""
    from polydoc_analytics.notebook import completion, display

    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("polydoc", None)
    completion.remove(shell)
    display.remove(shell)
