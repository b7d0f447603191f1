"""Bring the messages of the template into the catalogs of some languages, or of all: `just messages`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages.pofile import read_po, write_po

FOLDER = Path(__file__).parents[2] / "polydoc_analytics" / "reports" / "messages"


def updated(content: str, template: str, language: str) -> str:
    """Return a catalog with the messages of the template; new ones are empty, and its own header stays."""
    header, _, _ = content.partition("\n\n")
    catalog = read_po(io.StringIO(content), locale=language)
    catalog.update(read_po(io.StringIO(template)), no_fuzzy_matching=True)
    body = io.BytesIO()
    write_po(body, catalog, width=0, omit_header=True, ignore_obsolete=True)
    return f"{header}\n\n{body.getvalue().decode('utf-8').strip()}\n"


def main(languages: list[str]) -> None:
    template = (FOLDER / "statement.pot").read_text("utf-8")
    for path in [FOLDER / f"{language}.po" for language in languages] or sorted(FOLDER.glob("*.po")):
        path.write_text(updated(path.read_text("utf-8"), template, path.stem), "utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
