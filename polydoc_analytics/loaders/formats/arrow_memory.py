"""Arrow memory that others have filled: validated before anything reads it, and its text brought to valid UTF-8."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def is_text(kind: pa.DataType) -> bool:
    """Check whether an Arrow type is one of text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def validated(values: pa.Array) -> tuple[pa.Array, list[int]]:
    """Validate an array; return it with dictionaries decoded, and the rows whose text was not valid UTF-8.

    In those rows U+FFFD stands for each invalid byte. Raises ArrowInvalid or ArrowIndexError where offsets, sizes or
    indices point outside the array's memory; nothing has read the values by then.
    """
    if pa.types.is_dictionary(values.type):
        values.indices.validate(full=True)
        entries, replaced = validated(values.dictionary)
        rows: list[int] = []
        if replaced:
            chosen = pc.is_in(values.indices, value_set=pa.array(replaced, values.indices.type))
            rows = pc.indices_nonzero(chosen).to_pylist()
        return entries.take(values.indices), rows
    if not is_text(values.type):
        values.validate(full=True)
        return values, []
    # As binary, so that damage is told apart from text that is not UTF-8: that is no reason to refuse a file.
    octets = values.view(_octets_type(values.type))
    octets.validate(full=True)
    target = pa.large_string() if pa.types.is_large_string(values.type) else pa.string()
    try:
        return pc.cast(octets, target), []
    except pa.ArrowInvalid:
        return _replaced(octets.to_pylist(), target)


def _octets_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.binary_view()
    return pa.large_binary() if pa.types.is_large_string(kind) else pa.binary()


def _replaced(values: list[bytes | None], target: pa.DataType) -> tuple[pa.Array, list[int]]:
    texts: list[str | None] = []
    rows = []
    for row, value in enumerate(values):
        text = None if value is None else value.decode("utf-8", "replace")
        texts.append(text)
        if text is not None and text.encode() != value:
            rows.append(row)
    return pa.array(texts, target), rows
