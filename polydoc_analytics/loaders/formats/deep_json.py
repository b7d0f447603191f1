"""JSON parsed without recursion and in little memory: for texts that are long or deeply nested.

Of the outermost value alone something is kept. What stands inside is checked against the grammar and passed over in
long stretches by regular expressions whose quantifiers never give back, so the time is linear in the bytes. Groups are
repeated inside of atomic ones, since before Python 3.11.5 possessive repetitions of groups that can fail half-way match
wrongly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import cache
from typing import Any, NoReturn


class Refusal(ValueError):  # noqa: N818 - it is a verdict on a value, not a failure of the program
    """Why a value or a row is not accepted, in words for the quarantine."""


class Number(str):
    """A JSON number, kept as its text so that no digit is lost."""

    __slots__ = ()


_DEPTH = 4
"""So deep are values passed over in one stretch; the pattern's size doubles with each level."""
_STRETCH = 4096
"""So many values are passed over at once, for a repetition of groups takes memory for each."""
_S = rb"[ \t\n\r]*+"
_HEX = rb"[0-9a-fA-F]"
_STRING = rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u%b))*+"' % (4 * _HEX)
_SCALAR = _STRING + rb"|-?(?:0|[1-9][0-9]*+)(?>(?:\.[0-9]++)?)(?>(?:[eE][+-]?[0-9]++)?)|true|false|null"


def _stretch(pattern: bytes, least: int = 0) -> bytes:
    """Return the pattern of as many matches of one as there are, up to a stretch, none of which is given back."""
    return rb"(?>(?:%b){%d,%d})" % (pattern, least, _STRETCH)


def _value(depth: int) -> bytes:
    """Return the pattern of a value that is nested so deep at most."""
    if not depth:
        return rb"(?:%b)" % _SCALAR
    inner = _value(depth - 1) + _S
    array = rb"\[%b%b\]" % (_S, _stretch(rb"%b(?:,%b(?!\])|(?=\]))" % (inner, _S)))
    members = rb"\{%b%b\}" % (_S, _stretch(rb"%b%b:%b%b(?:,%b(?!\})|(?=\}))" % (_STRING, _S, _S, inner, _S)))
    return rb"(?:%b|%b|%b)" % (_SCALAR, array, members)


_SPACE = re.compile(_S)
_A_STRING = re.compile(_STRING)
_A_SCALAR = re.compile(_SCALAR)
_CLOSINGS = re.compile(rb"[\]} \t\n\r]++")
_PARTNERS = bytes.maketrans(b"]}", b"[{")
_WORDS = {b"true": True, b"false": False, b"null": None}


@cache
def _items() -> re.Pattern[bytes]:
    return re.compile(_stretch(rb"%b%b,%b" % (_value(_DEPTH), _S, _S), 1))


@cache
def _members(but: frozenset[str] = frozenset()) -> re.Pattern[bytes]:
    """Return the pattern of members of an object whose keys are others than some."""
    name = _STRING
    if but:
        name = rb'"(?!(?:%b)")[^"\\\x00-\x1f]*+"' % "|".join(map(re.escape, sorted(but))).encode()
    return re.compile(_stretch(rb"%b%b:%b%b%b,%b" % (name, _S, _S, _value(_DEPTH), _S, _S), 1))


@cache
def _openings() -> re.Pattern[bytes]:
    return re.compile(_stretch(rb"\[%b|\{%b%b%b:%b" % (_S, _S, _STRING, _S, _S), 1))


def parse(raw: bytes, errors: str = "replace", keys: Collection[str] | None = None) -> Any:
    """Return a JSON text's outermost value; of an object its own values, or those of ``keys`` alone.

    Arrays and objects inside come as empty ones. ``errors`` is how invalid UTF-8 is decoded. Raises Refusal where the
    text is not JSON.
    """
    stack = bytearray()
    root: Any = None
    key: str | None = None
    at = 0
    kept = frozenset(keys or ())

    def fail(what: str) -> NoReturn:
        raise Refusal(f"not JSON: {what} at character {len(raw[:at].decode('utf-8', 'replace')) + 1}")

    def skip(pattern: re.Pattern[bytes]) -> None:
        nonlocal at
        if found := pattern.match(raw, at):
            at = found.end()

    def take(pattern: re.Pattern[bytes]) -> bytes:
        begin = at
        skip(pattern)
        return raw[begin:at]

    def put(value: Any) -> None:
        nonlocal root
        if not stack:
            root = value
        elif len(stack) == 1 and isinstance(root, dict) and key is not None and (not kept or key in kept):
            root[key] = value

    def name() -> None:
        nonlocal key, at
        if len(stack) > 1:
            skip(_members())
        elif kept:
            skip(_members(kept))
        text = take(_A_STRING)
        if not text:
            fail("Expecting a string")
        if len(stack) == 1:
            key = json.loads(text.decode("utf-8", errors))
        skip(_SPACE)
        if raw[at : at + 1] != b":":
            fail("Expecting ':' delimiter")
        at += 1
        skip(_SPACE)

    def value() -> bool:
        """Take a value, or the beginning of one whose first part follows as a value of its own: then return True."""
        nonlocal at
        if len(stack) > 1 or (stack and isinstance(root, list)):
            if stack[-1:] == b"[":
                skip(_items())
            opened = b""
            while text := take(_openings()):
                opened = _A_STRING.sub(b"", text).translate(None, b" \t\n\r:")
                stack.extend(opened)
            if opened.endswith(b"[") and raw[at : at + 1] == b"]":
                return False
        mark = raw[at : at + 1]
        if mark in (b"[", b"{"):
            put([] if mark == b"[" else {})
            stack.extend(mark)
            at += 1
            skip(_SPACE)
            if raw[at : at + 1] == (b"]" if mark == b"[" else b"}"):
                return False
            if mark == b"{":
                name()
            return True
        text = take(_A_SCALAR)
        if not text:
            fail("Expecting value")
        if len(stack) < 2:
            if text.startswith(b'"'):
                put(json.loads(text.decode("utf-8", errors)))
            else:
                put(_WORDS[text] if text in _WORDS else Number(text.decode()))
        return False

    skip(_SPACE)
    while True:
        while value():
            pass
        begin = at
        closings = take(_CLOSINGS).translate(_PARTNERS, b" \t\n\r")
        if closings:
            if stack[: -len(closings) - 1 : -1] != closings:
                at = begin
                fail("Expecting ',' delimiter" if stack else "Extra data")
            del stack[-len(closings) :]
        if not stack:
            if at != len(raw):
                fail("Extra data")
            return root
        if raw[at : at + 1] != b",":
            fail("Expecting ',' delimiter")
        at += 1
        skip(_SPACE)
        if stack[-1:] == b"{":
            name()
