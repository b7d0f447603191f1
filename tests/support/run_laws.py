"""Random runs that meet each other, and what must come of them by the contract."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from support.repetitions import examples
from support.runs import wire

import polydoc_analytics as pda

START = datetime(2026, 3, 20, tzinfo=UTC)
quiet = examples(200, 10)


@st.composite
def runs(draw: Any) -> dict[str, Any]:
    """A run of few ids, around the days on which clocks change, so that runs meet each other."""
    created = START + timedelta(minutes=draw(st.integers(0, 60 * 24 * 230)))
    finished = draw(st.none() | st.integers(-5, 10**6).map(lambda ms: created + timedelta(milliseconds=ms)))
    number = st.none() | st.integers(-2, 50) | st.just(2**40)
    return wire(
        draw(st.sampled_from("abcdefgh")),
        account_id=draw(st.sampled_from(["acme", "zeta", ""])),
        created_at=created.isoformat(),
        finished_at=finished.isoformat() if finished else None,
        status=draw(st.sampled_from(["Running", "Succeeded", "Succeeded", "Failed"])),
        target_language=draw(st.sampled_from(["de", "German", "pt_br", "pt-BR", "13b", ""])),
        credits=draw(number),
        input_tokens=draw(number),
        output_tokens=draw(number),
        output_file_id=draw(st.none() | st.just("out")),
    )


bad_rows = st.sampled_from(
    ["nope", "{", '{"id": 5}', "[1]", json.dumps(wire("z", status="Done")), json.dumps(wire(credits=1.5))]
)


def load(content: bytes | list[bytes], **arguments: Any) -> pda.Loaded:
    with tempfile.TemporaryDirectory() as folder:
        parts = content if isinstance(content, list) else [content]
        for number, part in enumerate(parts):
            (Path(folder) / f"{number}.ndjson").write_bytes(part)
        return pda.load(folder, **arguments)


def merged_by_hand(some: list[Any]) -> dict[str, dict[str, Any]]:
    """The merge rule of the contract, written as a comparison of two rows."""

    def known(value: Any) -> tuple[bool, Any]:
        return (value is not None, value if value is not None else 0)

    def text(value: str | None) -> tuple[bool, bytes]:
        return (value is not None, (value or "").encode())

    def rank(row: dict[str, Any]) -> tuple[Any, ...]:
        finished = datetime.fromisoformat(row["finished_at"]).timestamp() if row["finished_at"] else None
        return (
            row["status"] != "Running",
            known(finished),
            row["status"] == "Succeeded",
            datetime.fromisoformat(row["created_at"]),
            known(row["credits"]),
            known(row["output_tokens"]),
            known(row["input_tokens"]),
            text(row["output_file_id"]),
            text(row["account_id"]),
            text(row["target_language"]),
            text(row["input_file_id"]),
        )

    winners: dict[str, dict[str, Any]] = {}
    for row in some:
        if isinstance(row, dict) and (row["id"] not in winners or rank(row) > rank(winners[row["id"]])):
            winners[row["id"]] = row
    return winners
