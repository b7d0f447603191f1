"""The table ``[branding]`` of the configuration: title, logo, colours, currency, locale and fonts of reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from polydoc_analytics.errors import SourceError, UsageError, require_extra
from polydoc_analytics.reports.charts.palette import contrast
from polydoc_analytics.reports.formatting import checked_locale, one_line
from polydoc_analytics.reports.model import SVG, Theme

_LOCALE = "en_GB"
NUMBER = "{period}-{account}"
_LOGOS = {".svg": SVG, ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_SIGNATURES = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff"}
_MAX_LOGO_BYTES = 500_000
_MIN_CONTRAST = 3.0
_PRICE_LIMIT, _MAX_DECIMALS, _MAX_DIGITS = 1_000_000_000, 18, 27
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Branding:
    """The sender's branding of a report.

    ``title`` stands above every report's own title. ``price_per_credit`` with ``currency`` (an ISO 4217 code) puts
    money beside credits. ``look`` holds colours, logo and fonts. ``issuer`` are the lines on who issues statements:
    name, address, contact, tax number. ``number`` is the pattern of a statement's number;
    ``notice`` is the line in its head, where it is not that of the catalog.
    """

    title: str = ""
    currency: str = ""
    price_per_credit: Decimal | None = None
    locale: str = _LOCALE
    look: Theme = field(default_factory=Theme)
    issuer: tuple[str, ...] = ()
    number: str = NUMBER
    notice: str | None = None


def branding(table: Mapping[str, Any], folder: Path = Path()) -> Branding:
    """Return the branding of a configuration's table; paths in it are relative to ``folder``.

    Raises UsageError for an unknown key (naming the nearest) or a value that means nothing, SourceError for a file
    that cannot be read.
    """
    if table:
        require_extra("reports", "branding")
        from polydoc_analytics.config.validation import branding_problems

        if problems := branding_problems(table):
            raise UsageError(problems[0])
    currency, price = _price(table)
    logo_type, logo = _logo(folder / table["logo"]) if table.get("logo") else ("", b"")
    default = Theme()
    look = Theme(
        accent=_colour(table, "accent", default.accent),
        warm=_colour(table, "warm", default.warm),
        logo_type=logo_type,
        logo=logo,
        fonts=(_fonts(folder / table["fonts"]),) if table.get("fonts") else (),
    )
    locale = checked_locale(table["locale"]) if table.get("locale") else _LOCALE
    number = table.get("number") or NUMBER
    notice = one_line(table["notice"]) if table.get("notice") is not None else None
    title = one_line(table.get("title", ""))
    return Branding(title, currency, price, locale, look, _issuer(table), number, notice)


def _issuer(table: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the lines on the issuer of statements, its name first; none where no key speaks of it."""
    address = table.get("address", ())
    lines = [line for part in ([address] if isinstance(address, str) else address) for line in part.splitlines()]
    own = (table.get("name", ""), *lines, table.get("contact", ""), table.get("tax", ""))
    given = tuple(filter(None, map(one_line, own)))
    title = one_line(table.get("title", ""))
    return given if table.get("name") or not given else tuple(filter(None, (title, *given)))


def _price(table: Mapping[str, Any]) -> tuple[str, Decimal | None]:
    currency, text = table.get("currency", ""), table.get("price_per_credit")
    if bool(currency) != (text is not None):
        raise UsageError("branding: currency and price_per_credit go together; give both or neither")
    if text is None:
        return "", None
    from babel.numbers import list_currencies

    if currency not in list_currencies():
        raise UsageError(f"branding: currency '{currency}' is unknown; expected an ISO 4217 code such as EUR")
    try:
        price = Decimal(str(text))
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or price < 0:
        raise UsageError(f"branding: price_per_credit '{text}' is no price; expected one such as \"0.02\"")
    _, digits, exponent = price.normalize().as_tuple()
    if price >= _PRICE_LIMIT or int(exponent) < -_MAX_DECIMALS or len(digits) > _MAX_DIGITS:
        expected = f"one below {_PRICE_LIMIT:,} with at most {_MAX_DECIMALS} decimals"
        raise UsageError(f"branding: price_per_credit '{str(text)[:40]}' has too many digits; expected {expected}")
    return currency, price


def _colour(table: Mapping[str, Any], key: str, default: str) -> str:
    colour = str(table.get(key, default)).lower()
    if not _COLOUR.fullmatch(colour):
        raise UsageError(f"branding: {key} '{colour}' is no colour; expected one such as #1f5fa8")
    if (seen := contrast(colour, "#ffffff")) < _MIN_CONTRAST:
        raise UsageError(f"branding: {key} '{colour}' is too pale to be seen on white ({seen:.1f}:1); expected 3:1")
    return colour


def _logo(path: Path) -> tuple[str, bytes]:
    kind = _LOGOS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"branding: logo {path} must be SVG, PNG or JPEG")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    if len(content) > _MAX_LOGO_BYTES:
        raise UsageError(f"branding: logo {path.name} has {len(content):,} bytes; expected at most {_MAX_LOGO_BYTES:,}")
    if not (_is_svg(content) if kind not in _SIGNATURES else content.startswith(_SIGNATURES[kind])):
        raise UsageError(f"branding: logo {path.name} is no picture of the kind that its name ends with")
    return kind, content


def _is_svg(content: bytes) -> bool:
    from xml.etree import ElementTree

    try:
        return ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
    except ElementTree.ParseError:
        return False


def _fonts(path: Path) -> str:
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder of fonts")
    return str(path)
