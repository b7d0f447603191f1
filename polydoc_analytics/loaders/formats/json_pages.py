"""Signs beside an array, or in the headers of an answer, that it is one page of several, as APIs give them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders.run_parser import show
from polydoc_analytics.model.plurals import counted

_NEXT = re.compile(
    r"(?:odata)?next(?:page|pages|records|results|batch|continuation)?"
    r"(?:link|token|url|uri|href|cursor|marker|key|offset|start|index|number|path|id)?"
)
_TOKENS = re.compile(r"continu(?:e|ation)(?:token)?|resumptiontoken|lastevaluatedkey|nextpartitionkey|nextrowkey")
_ROWS = r"(?:pages?|items?|records?|results?|rows?|data|runs?|entr(?:y|ies)|elements?)"
_FLAGS = re.compile(
    rf"(?:has|is)?(?:more|next){_ROWS}?(?:available)?|(?:is)?truncated(?:results)?|exceededtransferlimit"
)
_INCOMPLETE = re.compile(r"(?:is)?(?:partial|incomplete)(?:results)?|timedout")
"""Flags that say that what was looked for was not found whole; where they are false, there may be further pages."""
_TRUE = ("true", "yes", "y")
_REMAINING = re.compile(rf"remaining{_ROWS}(?:count)?")
_CURSORS = ("cursor", "offset", "bookmark")
"""Some APIs name the place at which the next page begins so; others repeat there what was asked for."""
_LAST = re.compile(r"(?:is)?last(?:page)?")
_DONE = re.compile(r"(?:is|job)?(?:done|completed?)|endof(?:stream|results|list|data)|(?:is)?eof")
_LINK_HEADER = re.compile(r"<([^>]*)>[^,]*;\s*rel=\"?next\b")
"""The link to the next page in the value of an HTTP header, which some documents repeat."""
_INSIDE = {"href", "url", "uri", "link", "token", "cursor", "page", "offset", "key", "id", "path", "after", "number"}
_NOTHING = {"", "false", "null", "none"}
_MAX_PAGES = 10_000
_FROM_ZERO = ("number", "pageindex")
_PAGE = ("page", "currentpage", "pagenumber", "pageno", *_FROM_ZERO)
_PAGES = (
    *("totalpages", "pages", "lastpage", "pagecount", "numpages", "totalpagecount"),
    *("pagetotal", "totalpage", "numberofpages", "maxpage", "nbpages"),
)
_OF_FROM_ZERO = "nbpages"
"""Beside this number Algolia counts pages from 0."""
_TOTAL = re.compile(
    r"total(?:count|number|size|results|items|records|elements|entries|rows|hits|runs)|numfound|odatacount"
    r"|nb(?:hits|results|items)"
)
_ABOUT_PAGES = re.compile(
    r"|data|body|response|results?|resultset|runs|hits|info|list"
    r"|(?:response)?meta(?:data)?|pag(?:e|es|ing|ination)(?:info)?"
)
"""Names of the objects whose members speak of pages: elsewhere `total` may count credits, `pages` be those of a file,
and `completed` be what was asked for."""

_HEADER = re.compile(r"(?:x-(?:(?:wp|ms|pagination|paging)-)?|pagination-|paging-)(?=\w)")
"""How headers begin that say what a member of an object may say too."""


class More(NamedTuple):
    """A sign that more exists: where it stands, what it says, and the address of the next page where it is one.

    One that is uncertain counts where nothing beside it says that there is no more.
    """

    where: str
    url: str = ""
    is_uncertain: bool = False


def sign(path: tuple[str, ...], value: Any) -> More | None:
    """Return the sign of more that a value is under its keys, outermost first; None where it is none."""
    is_about = _is_about_pages(path[:-1])
    if value is False and (_LAST.fullmatch(_plain(path[-1])) or (_DONE.fullmatch(_plain(path[-1])) and is_about)):
        return More(f"{show('.'.join(path))}: false")
    if value in (None, False) or str(value).strip().lower() in _NOTHING:
        return None
    is_number = not isinstance(value, bool) and _is_number(value)
    if is_number and float(value) == 0:
        return None
    name = _plain(path[-1])
    outer = [_plain(key) for key in path[:-1]]
    is_true = value is True or (is_number and float(value) == 1) or str(value).strip().lower() in _TRUE
    is_flag = _FLAGS.fullmatch(name) or (_INCOMPLETE.fullmatch(name) and is_about)
    if (is_true and is_flag) or (is_number and float(value) > 0 and _REMAINING.fullmatch(name)):
        return More(f"{show('.'.join(path))}: {'true' if value is True else value}")
    if value is True:
        return None
    if isinstance(value, str) and (linked := _LINK_HEADER.search(value)):
        return More(show(".".join(path)), address(linked[1]))
    is_next = _NEXT.fullmatch(name) or (name in _INSIDE and outer and _NEXT.fullmatch(outer[-1]))
    if is_next or any(map(_TOKENS.fullmatch, (name, *outer))):  # of DynamoDB a key of the table, with its types
        return More(show(".".join(path)), address(value))
    return More(show(".".join(path)), is_uncertain=True) if name in _CURSORS and not is_number else None


def says_no_more(key: str, value: Any) -> bool:
    """Recognise a field that says that a page is the last: a flag or the address of the next page, set to nothing."""
    name = _plain(key)
    if _LAST.fullmatch(name):
        return value is True
    is_nothing = value in (None, False) or str(value).strip().lower() in (*_NOTHING, "0")
    return is_nothing and bool(_FLAGS.fullmatch(name) or _NEXT.fullmatch(name) or _TOKENS.fullmatch(name))


def total(path: tuple[str, ...], value: Any) -> int | None:
    """Return the number of rows on all pages that a value under its keys states; None where it states none."""
    if _plain(path[-1]) == "value" and len(path) > 1:  # Elasticsearch has an object there
        path = path[:-1]
    name = _plain(path[-1])
    is_total = _TOTAL.fullmatch(name) or (name == "total" and _is_about_pages(path[:-1]))
    return _integer(value) if is_total and _is_number(value) else None


def address(value: Any) -> str:
    """Return a value that is a URL or a path beginning with / or ?, else nothing."""
    text = str(value).strip() if isinstance(value, str) else ""
    return text if re.match(r"(?i:https?://)|[/?]", text) and not re.search(r"[\s\x00-\x1f]", text) else ""


def link(element: Any) -> More | None:
    """Return the sign of more that an element of a list of links is: one whose relation is next."""
    if not isinstance(element, dict):
        return None
    relation = element.get("rel", element.get("relation"))
    if str(relation).strip().lower() != "next":
        return None
    target = element.get("href") or element.get("url") or element.get("uri")
    return More("a link 'next'", address(target)) if target else None


def listed(path: tuple[str, ...], element: Any) -> More | None:
    """Return the sign of more that an element of an array is where ``path`` names a list of next pages."""
    name = _plain(path[-1])
    if not (_NEXT.fullmatch(name) or _TOKENS.fullmatch(name)):
        return None
    members = element if isinstance(element, dict) else {None: element}
    signs = (sign(path if key is None else (*path, key), value) for key, value in members.items())
    return next(filter(None, signs), None)


def pages(path: tuple[str, ...], members: Mapping[str, Any]) -> More | None:
    """Return the sign of more in the numbers of an object under its keys: a page that is not the last."""
    plain = {_plain(key): (key, value) for key, value in members.items()}
    page = next((plain[name] for name in _PAGE if name in plain), None)
    last = next((plain[name] for name in _PAGES if name in plain), None)
    if last is None:
        return None
    if page is None:
        return More(f"{show(last[0])}: {last[1]}") if _integer(last[1]) > 1 and _is_about_pages(path) else None
    # Most count pages from 1, some from 0 under the same names.
    is_from_0 = _plain(page[0]) in _FROM_ZERO or _plain(last[0]) == _OF_FROM_ZERO
    at = _integer(page[1]) + 1 if is_from_0 else max(_integer(page[1]), 1)
    return More(f"{show(page[0])}: {page[1]} of {show(last[0])}: {last[1]}") if at < _integer(last[1]) else None


def is_page_number(key: str, value: Any) -> bool:
    """Check whether a value is the number of a page or of all pages."""
    return _plain(key) in (*_PAGE, *_PAGES) and _is_number(value)


class Signs:
    """The signs that an answer is one page of several, and the numbers of rows that it says are on all of them."""

    def __init__(self) -> None:
        self.totals: list[tuple[str, int]] = []
        self._more: list[More] = []
        self._is_said_to_be_last = False
        self._numbers: dict[tuple[str, ...], dict[str, Any]] = {}

    def note(self, path: tuple[str, ...], value: Any) -> None:
        """Take note of a value under its keys, outermost first, that is no object and no array."""
        if found := sign(path, value):
            self._more.append(found)
        if (count := total(path, value)) is not None:
            self.totals.append((".".join(path), count))
        self._is_said_to_be_last |= says_no_more(path[-1], value)
        if is_page_number(path[-1], value):
            self._numbers.setdefault(path[:-1], {})[path[-1]] = value

    def note_link(self, path: tuple[str, ...], element: Any) -> None:
        """Take note of an element of an array under ``path``, which may be one of links."""
        if found := link(element) or listed(path, element):
            self.add(found)

    def add(self, found: More) -> None:
        """Add a sign that was found elsewhere."""
        self._more.append(found)

    def more(self, rows: int) -> list[More]:
        """Return the signs that this page is not the last, or that the pages up to it, of so many rows, are not all."""
        totals = [
            More(f"{show(name)}: {count} beside {counted(rows, 'row')}", is_uncertain=True)
            for name, count in self.totals
            if count > rows
        ]
        found = [one for one in (*self._more, *totals) if not (one.is_uncertain and self._is_said_to_be_last)]
        return found + [one for path, members in self._numbers.items() if (one := pages(path, members))]


def one_page_error(source: str, signs: Iterable[More]) -> SourceError:
    """Return the error of one page that would be taken for all."""
    where = " and ".join(list(dict.fromkeys(one.where for one in signs))[:2])
    return SourceError(
        f"{source}: is one page of several, for there stands {where}; fetch the other pages too, or take this one for "
        "all with --partial"
    )


def next_page(source: str, asked: str, answered: str, signs: Sequence[More], seen: Collection[str]) -> str:
    """Return the URL of the next page; ``asked`` is that of the first page, ``answered`` the one that gave this page.

    Raises SourceError where there is no such URL, or it is of another host, which must not be sent the token, or one
    of those ``seen`` already.
    """
    url = next((one.url for one in signs if one.url), "")
    if not url:
        raise one_page_error(source, signs)
    try:
        url = _encrypted(urldefrag(urljoin(answered, url)).url, asked)
        is_same = _origin(url) == _origin(asked)
    except ValueError:
        is_same = False
    if not is_same:
        raise SourceError(
            f"{source}: its next page is on another host, port or scheme, where the token is not sent; "
            "set the base URL to that, or take this page for all with --partial"
        )
    if url in seen:
        raise SourceError(f"{source}: its pages lead back to one that was fetched already")
    if len(seen) >= _MAX_PAGES:
        raise SourceError(f"{source}: has more than {_MAX_PAGES:,} pages; fetch them to files, larger ones")
    return url


def _encrypted(url: str, asked: str) -> str:
    """Ask by https for a page of the same host: a service behind a proxy often takes itself for one of plain http."""
    parts, first = urlsplit(url), urlsplit(asked)
    is_downgrade = (parts.scheme, first.scheme) == ("http", "https") and parts.hostname == first.hostname
    if is_downgrade and parts.port in (None, 80, first.port):
        return parts._replace(scheme="https", netloc=first.netloc).geturl()
    return url


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _is_about_pages(path: tuple[str, ...]) -> bool:
    """Check whether the members of an object under its keys, or of the outermost, speak of pages."""
    return not path or _ABOUT_PAGES.fullmatch(_plain(path[-1])) is not None


def _plain(key: str) -> str:
    return "".join(character for character in _HEADER.sub("", key.lower(), count=1) if character.isalnum())


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and bool(re.fullmatch(r"-?[0-9]{1,15}(?:\.0+)?", str(value)))


def _integer(value: Any) -> int:
    return int(str(value).partition(".")[0])
