"""The templates of SQL files: ``{{name}}`` is a place, ``{{#name}} … {{/name}}`` on lines of their own a part.

``{{>name}}`` stands for the text of another file, which several share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

Value = str | bool | Sequence[Mapping[str, str]]

_PART = re.compile(r"^ *\{\{#(\w+)\}\}\n(.*?)^ *\{\{/\1\}\}(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_PARTIAL = re.compile(r"\{\{>(\w+)\}\}")


def with_partials(template: str, read: Callable[[str], str]) -> str:
    """Put the texts of partials, read by name, in their places."""
    return _PARTIAL.sub(lambda partial: read(partial[1]).strip(), template)


def fill(template: str, values: Mapping[str, Value]) -> str:
    """Fill a template's places with texts, and write each part as often as its value says.

    A list repeats its part, once for each item, whose values stand in the part's places; True and False keep it or
    leave it out. Raises KeyError for a place or part without a value.
    """

    def repeated(part: re.Match[str]) -> str:
        value = values[part[1]]
        items: Sequence[Mapping[str, str]] = value if not isinstance(value, bool | str) else [{}] if value else []
        return "".join(fill(part[2], {**values, **item}) for item in items)

    return _PLACE.sub(lambda place: str(values[place[1]]), _PART.sub(repeated, template))
