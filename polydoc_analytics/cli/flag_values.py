"""Values of flags, taken as they come where a text is asked for, in place of typer's check by pydantic."""

from __future__ import annotations

from typing import Any


def take_texts_as_they_come(parameter: Any) -> None:
    """Let a parameter of typer's take texts unchecked, for importing pydantic takes a tenth of a second.

    A shell gives texts alone, so that there is nothing to check; anything else is left to typer.
    """
    # Another release of typer may do without pydantic, and then has no such attribute.
    if getattr(parameter, "_runtime_param", "absent") is None:
        parameter._runtime_param = _AsItComes()


class _AsItComes:
    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return texts, and what is left out, as typer does."""
        is_many = param.multiple or param.nargs == -1
        if value is None:
            return () if is_many else None
        kind = param.type_descriptor.annotation
        if kind is str and not is_many and isinstance(value, str):
            return value
        if kind == list[str] and isinstance(value, list | tuple) and all(isinstance(text, str) for text in value):
            return list(value)
        param._runtime_param = None  # from which typer makes its own
        return param.get_runtime_param().coerce(value, param, ctx)
