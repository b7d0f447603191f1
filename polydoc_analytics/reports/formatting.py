"""Numbers, dates and texts formatted in one locale; the only place where a value becomes text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, localcontext
from functools import cache, lru_cache
from typing import Any

from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.timezones import local, zone
from polydoc_analytics.reports.messages import ENGLISH, N_, catalog, language_of
from polydoc_analytics.reports.money import Money

UNKNOWN = "–"
MINUS = "\u2212"
_APOSTROPHE = "\ue000"
_SIGNS = str.maketrans({"-": MINUS, _APOSTROPHE: "'", "￥": "¥", "\u200e": "", "\u200f": "", "\u061c": ""})
ENGLISH_LOCALE = "en_GB"
STATUSES = (N_("Succeeded"), N_("Failed"), N_("Running"))
_MAX_CHARACTERS = 120
_DIGITS = 100
_DECIMALS = {"count": 0, "seconds": 2, "ratio": 2}
_TRIED = (0, 7, 1_234, 56_789, -98_765, 123_456_789_012, -0.001, 0.125, 2.675, 1_234.5, 98_765.432, -1e9, 1e-7)
"""Numbers of each length and sign, which tell how a locale groups, writes and rounds."""
_KEPT_FORMATS = "\u200c\u200d"
"""Zero-width joiners: some scripts and emoji need them."""
_LEFT_TO_RIGHT = "\u200e"
"""The invisible mark of Unicode that ends a text from right to left."""


class ShortId(str):
    """An id, of which people read ``shown``: its beginning, or more than it, whichever tells it from all others."""

    shown: str

    def __new__(cls, whole: str, shown: str) -> ShortId:
        """Return the whole id with what is shown of it."""
        made = super().__new__(cls, whole)
        made.shown = shown
        return made


@dataclass(frozen=True, slots=True)
class Formatter:
    """Formatter of values: a Babel locale, the time zone of instants, the currency of money, the language of words.

    Numbers are those of the locale. Days have words, so they are in ``language``: English but for statements.
    """

    locale: str = ENGLISH_LOCALE
    timezone: str = "UTC"
    currency: str = ""
    language: str = ENGLISH

    def in_language_of(self, locale: str) -> Formatter:
        """Return the formatter for a locale's own language; for British English where that has no whole catalog."""
        language = language_of(locale)
        is_english = language == ENGLISH and not locale.startswith(ENGLISH)
        return replace(self, locale=ENGLISH_LOCALE if is_english else locale, language=language)

    def gettext(self, message: str, **values: Any) -> str:
        """Translate a message, and fill in its values."""
        return catalog(self.language).gettext(message).format(**values)

    def ngettext(self, singular: str, plural: str, count: int, **values: Any) -> str:
        """Translate a message with a count, ``{count}``, in the plural form that it asks for."""
        message = catalog(self.language).ngettext(singular, plural, count)
        return message.format(count=self.text(count, "count"), **values)

    def labelled(self, label: str, text: str = "") -> str:
        """Write a text behind its label, with the colon of the language."""
        return self.gettext("{label}: {text}", label=label, text=text)

    @property
    def signs(self) -> dict[str, Any]:
        """How the locale writes numbers: signs of ``group`` and ``decimal``, and ``sizes``, of the last group first."""
        symbols, pattern = _parsed(self.locale).number_symbols["latn"], _pattern("ratio", self.locale)
        return {"group": _signed(symbols["group"]), "decimal": symbols["decimal"], "sizes": list(pattern.grouping)}

    @property
    def dates(self) -> str:
        """The locale of dates: that of numbers where its language is that of the words."""
        return self.locale if self.locale.startswith(self.language.partition("_")[0]) else ENGLISH_LOCALE

    def text(self, value: Any, kind: str) -> str:
        """Return a value as text: an en dash where it is unknown, texts on one line and not too long."""
        if value is None:
            return UNKNOWN
        if kind in _DECIMALS and not isinstance(value, str):  # most values of most tables
            return _number(value, kind, self.locale)
        if kind == "status":
            return self.gettext(str(value))
        if kind == "text" or isinstance(value, str):
            return display_text(value.shown if isinstance(value, ShortId) else str(value))
        if kind == "mark":
            return "small sample" if value else ""
        if kind == "yes":
            return self.gettext(N_("yes")) if value else self.gettext(N_("no"))
        if kind == "day":
            return self.day(value)
        if kind == "month":
            return self.month(value)
        if kind == "hours":
            return _age(value, self.locale)
        if kind == "instant":
            return self.instant(value)
        if kind == "money":
            return self._currency(value.shown if isinstance(value, Money) else value)
        return _number(value, kind, self.locale)

    def instant(self, value: datetime) -> str:
        """Return an instant to the minute in the report's time zone."""
        at = local(value, zone(self.timezone))
        return _instant_pattern(self.dates).format(f"{at.hour:02}:{at.minute:02}", self.day(at.date()))

    def day(self, value: date) -> str:
        """Return a day."""
        return _day(value, self.dates)

    def month(self, value: date) -> str:
        """Return the month of a day, in words: October 2026."""
        return _month(value, self.dates)

    def price(self, value: Decimal) -> str:
        """Write a price with all its digits, and at least the decimals of its currency."""
        return self._currency(value.normalize())

    def decimal(self, value: Decimal) -> str:
        """Write a number with all its digits."""
        from babel.numbers import format_decimal

        return _signed(format_decimal(value, locale=_parsed(self.locale), decimal_quantization=False))

    def _currency(self, value: Decimal) -> str:
        from babel.numbers import format_currency

        with localcontext(prec=_DIGITS):
            text = format_currency(value, self.currency, locale=_parsed(self.locale), decimal_quantization=False)
        return _signed(text)


def plain(value: Any) -> str | None:
    """Format None, bools and ints without a locale; None for other types."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else None


def _number(value: Any, kind: str, locale: str) -> str:
    if kind in _DECIMALS and (signs := _signs(kind, locale)):
        return _grouped(value, _DECIMALS[kind], signs)
    return _by_pattern(value, kind, locale)


@cache
def _signs(kind: str, locale: str) -> dict[int, str] | None:
    """Signs of a locale's numbers for Python's own, which are quicker; None where Babel writes a number otherwise."""
    thousands, decimal = (_by_pattern(number, "ratio", locale).strip("15") for number in (1_555.55, 1.55))
    signs = str.maketrans({",": thousands[:1] if len(thousands) > 3 else "", ".": decimal, "-": MINUS})
    for number in _TRIED:
        if _grouped(number, _DECIMALS[kind], signs) != _by_pattern(number, kind, locale):
            return None
    return signs


def _grouped(value: Any, decimals: int, signs: dict[int, str]) -> str:
    if type(value) is int and not decimals:
        return f"{value:,}".translate(signs)
    return f"{_exact(value):,.{decimals}f}".translate(signs)


def _exact(value: Any) -> Decimal:
    if not value:
        return Decimal(0)  # -0.0 too, which is the same key of a cache as 0
    return Decimal(str(value) if isinstance(value, float) else value)


@lru_cache(maxsize=65536)
def _by_pattern(value: Any, kind: str, locale: str) -> str:
    number = 100 * _exact(value) if kind == "points" else _exact(value)
    with localcontext(prec=_DIGITS):
        text = _signed(_pattern(kind, locale).apply(number, _parsed(locale)))
    if kind == "points":
        text += " points"
    return f"+{text}" if kind in ("change", "points") and value > 0 else text


@cache
def _parsed(locale: str) -> Any:
    """Return a locale of Babel, which takes apostrophes in its numbers for marks of quotation: they have a stand-in."""
    from babel import Locale

    class Swiss(Locale):
        @property
        def number_symbols(self) -> Any:
            known = super().number_symbols
            return {**known, "latn": {**known["latn"], "group": _APOSTROPHE}}

    parsed = Locale.parse(locale)
    if parsed.number_symbols["latn"]["group"] != "'":
        return parsed
    return Swiss(parsed.language, parsed.territory, parsed.script, parsed.variant)


def _signed(text: str) -> str:
    """Put signs that print has into a number, without marks of direction: all documents go from left to right."""
    return text.translate(_SIGNS)


@cache
def _pattern(kind: str, locale: str) -> Any:
    from babel.numbers import parse_pattern

    parsed = _parsed(locale)
    whole = parsed.decimal_formats[None].pattern.split(";")[0].split(".")[0]
    percent = parsed.percent_formats[None].pattern.split(";")[0]
    pattern = {
        "count": whole,
        "seconds": f"{whole}.00",
        "ratio": f"{whole}.00",
        "points": f"{whole}.0",
        "rate": re.sub(r"0(?=[^0]*$)", "0.0", percent),
        "change": re.sub(r"0(?=[^0]*$)", "0.0", percent),
    }[kind]
    return parse_pattern(pattern)


@lru_cache(maxsize=4096)
def _day(value: date, locale: str) -> str:
    from babel.dates import format_skeleton

    return str(format_skeleton("yMMMd", value, locale=locale))


@lru_cache(maxsize=4096)
def _month(value: date, locale: str) -> str:
    from babel.dates import format_skeleton

    return str(format_skeleton("yMMMM", value, locale=locale))


def _age(hours: float, locale: str) -> str:
    """Write a length of time as people say it, in its two greatest units: 26 d 17 h, 17 h 5 min, 5 min."""
    minutes = round(abs(hours) * 60)
    if minutes >= 24 * 60:
        days, rest = divmod(round(abs(hours)), 24)
        parts = [(days, "d"), (rest, "h")]
    else:
        whole, rest = divmod(minutes, 60)
        parts = [(whole, "h"), (rest, "min")] if whole else [(rest, "min")]
    text = " ".join(f"{_number(count, 'count', locale)} {unit}" for count, unit in parts)
    return f"{MINUS}{text}" if hours < 0 else text


@cache
def _instant_pattern(locale: str) -> str:
    return str(_parsed(locale).datetime_formats["medium"])


def checked_locale(name: str) -> str:
    """Return a locale's name as Babel spells it; raises UsageError where Babel has no such locale."""
    from babel import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(name.replace("-", "_")))
    except (UnknownLocaleError, ValueError):
        raise UsageError(f"locale '{name}' is unknown; expected one such as en_GB, de, pt_BR or ja") from None


def display_text(text: str, max_length: int = _MAX_CHARACTERS) -> str:
    """Return a text on one line: control characters as U+XXXX, cut to ``max_length`` characters."""
    cut = len(text) > max_length
    clean = text[: max_length - 1] if cut else text
    if not (clean.isascii() and clean.isprintable()):
        clean = "".join(map(_drawn, clean))
    if not clean.strip():
        return "(blank)" if clean else "(empty)"
    return clean + "…" if cut else clean


def one_line(text: str) -> str:
    """Return a text of the settings on one line, whole: blanks as they are read, control characters as U+XXXX."""
    plain = " ".join(text.split())
    return display_text(plain, len(plain)) if plain else ""


@lru_cache(maxsize=4096)
def _drawn(character: str) -> str:
    category = unicodedata.category(character)
    if (category[0] == "C" and character not in _KEPT_FORMATS) or category in ("Zl", "Zp"):
        return code_point(character)
    return " " if category == "Zs" else character


def followed(text: str) -> str:
    """Return a text after which figures stay behind it: one that ends from right to left would draw them into it."""
    directions = (unicodedata.bidirectional(character) for character in reversed(text))
    last = next((one for one in directions if one in ("L", "R", "AL")), "L")
    return text if last == "L" else text + _LEFT_TO_RIGHT


def code_point(character: str) -> str:
    """Return the code point of a character, U+XXXX."""
    return f"U+{ord(character):04X}"
