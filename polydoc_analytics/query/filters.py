"""Typed filters resolved among the runs: an account's id, beginning or name, a language's tag or name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.languages import Language, language
from polydoc_analytics.query.options import Filters
from polydoc_analytics.safe_text import on_one_line

_MAX_NAMED = 3
"""Accounts that an error lists where a beginning or a name fits several."""


def resolved_filters(
    filters: Filters,
    *,
    accounts: Callable[[], list[str]],
    names: Mapping[str, str],
    languages: Mapping[str, Language],
    is_strict: bool,
) -> Filters:
    """Replace typed accounts by ids and typed languages by tags.

    ``accounts`` lists the ids among the runs, ``names`` has the accounts' names by id, ``languages`` the language of
    each text that was sent. With ``is_strict``, an account may be the unique beginning of an id, and UsageError with
    the nearest is raised for a filter that matches no run; without it, what matches nothing stays as it is.
    """
    tags = {found.tag: found.name for found in languages.values()}
    chosen = [_language(text, tags, is_strict) for text in filters.languages]
    ids = accounts() if filters.accounts else []
    owners = [_account(text, ids, names, is_strict) for text in filters.accounts]
    owners, chosen = list(dict.fromkeys(owners)), list(dict.fromkeys(chosen))
    return replace(filters, accounts=tuple(owners), languages=tuple(chosen), match="exact")


def _language(text: str, tags: Mapping[str, str], is_strict: bool) -> str:
    tag = language(text).tag
    if tag in tags or not is_strict:
        return tag
    inside = [each for each in tags if each.startswith(f"{tag}-")]
    if inside:
        raise UsageError(f"language '{text}': no run is in {tag} itself; did you mean {_listed(inside)}?")
    hint = nearest(text, tags.values()) or nearest(text, tags)
    raise UsageError(f"language '{text}': no run is in it{hint}; --allow-empty takes it all the same")


def _account(text: str, ids: Iterable[str], names: Mapping[str, str], is_strict: bool) -> str:
    known = set(ids)
    if text in known:
        return text
    named = [account for account, name in names.items() if name.casefold() == text.casefold()]
    if len(named) > 1 and not known.isdisjoint(named):
        named = [account for account in named if account in known]
    if len(named) > 1:
        raise UsageError(f"account '{text}' is the name of several: {_listed(named)}; give the id")
    if named and (named[0] in known or not is_strict):
        return named[0]
    if not is_strict:
        return text
    beginning = sorted(account for account in known if account.startswith(text))
    if len(beginning) == 1:
        return beginning[0]
    if beginning:
        raise UsageError(f"account '{text}' is the beginning of several: {_listed(beginning)}; give more of the id")
    hint = nearest(text, [name for account, name in names.items() if account in known]) or nearest(text, known)
    raise UsageError(f"account '{text}': no run is of it{hint}; --allow-empty takes it all the same")


def _listed(values: Iterable[str]) -> str:
    named = [on_one_line(value) for value in values]
    more = len(named) - _MAX_NAMED
    return ", ".join(named[:_MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")
