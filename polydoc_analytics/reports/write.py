"""``report()``: write reports over a source, each file atomically."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polydoc_analytics.config.choices import FORMATS
from polydoc_analytics.errors import SourceError, SumError, UsageError, refuse_address, require_extra, translated
from polydoc_analytics.lake.resolve import Source, resolve
from polydoc_analytics.loaders.atomic_write import atomic_write
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.model.periods import instant_of
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.reports.branding import Branding
from polydoc_analytics.reports.model import Report
from polydoc_analytics.reports.renderers import MissingLetters, render, with_workbook
from polydoc_analytics.reports.renderers.typesetting import Typesetter, typesetters

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.reports.builders.context import Context
    from polydoc_analytics.reports.builders.statement_data import AccountData
    from polydoc_analytics.reports.model import SourceFile

_MANY = 40
"""Statements as PDF from which on it pays to start processes for them."""
_MAX_PROCESSES = 4
"""Of 250 MB each. More are of little use: to prepare a document takes this one a fifth of the time of setting it."""


class ShownReport(Report):
    """A report that shows itself in a notebook."""

    def _repr_html_(self) -> str:
        from html import escape

        page = escape(render(self, "html").decode("utf-8"), quote=True)
        frame = 'style="width:100%;height:900px;border:0" sandbox="allow-scripts"'
        return f'<iframe title="{escape(self.title)}" {frame} srcdoc="{page}"></iframe>'


@translated()
def report(
    source: Any,
    *,
    kind: str = "overview",
    formats: str | Iterable[str] = ("html",),
    out: str | os.PathLike[str] = ".",
    branding: Mapping[str, Any] | Branding | None = None,
    accounts: Mapping[str, str] | str | os.PathLike[str] | None = None,
    all_accounts: bool = False,
    now: str | datetime | None = None,
    **choices: Any,
) -> list[Path]:
    """Write a report over a source into the folder ``out`` and return the paths, one per format.

    ``kind`` is overview, statement (of the one ``account``), languages, quality, or a kind that another distribution
    brings; with ``all_accounts`` there is one statement for each account, and an index, whose paths come first.
    ``formats`` are of html, pdf, xlsx, md and json. ``branding`` is the table of that name of a configuration,
    ``accounts`` are names by account id or a CSV of them. ``choices`` are those of ``connect``: period, timezone,
    account and so on. With the same source and ``now`` the files are the same, byte for byte.

    Raises UsageError where an argument means nothing, SourceError where the source cannot be read.
    """
    from polydoc_analytics.query.connect import connect
    from polydoc_analytics.reports.builders import builder

    require_extra("reports", "a report")
    wanted = checked_formats(formats)
    refuse_address(out)
    now = instant_of(now)
    resolved = resolve(source, ReadOptions(choices.get("input_format")))
    with (
        hashed(resolved, choices.get("engine", "duckdb")) as files,
        connect(resolved, now=now, accounts=accounts, **choices) as db,
        charts_started(wanted),
    ):
        context_ = context(db, branding=branding, accounts=accounts, files=files)
        if all_accounts:
            checked_all(kind)
            return statements(context_, wanted, Path(out))
        built = builder(kind)(context_)
    return write(built, wanted, Path(out))


@translated()
def build(
    db: Database,
    kind: str = "overview",
    *,
    branding: Mapping[str, Any] | Branding | None = None,
    accounts: Mapping[str, str] | str | os.PathLike[str] | None = None,
    files: Sequence[SourceFile] = (),
) -> ShownReport:
    """Return a report over a connected source, which shows itself in a notebook.

    ``kind``, ``branding`` and ``accounts`` are those of :func:`polydoc_analytics.report`; ``files`` are named as its
    source. Its ``sections`` hold sentences, figures, charts and tables as values.
    """
    from polydoc_analytics.reports.builders import builder

    report = builder(kind)(context(db, branding=branding, accounts=accounts, files=files))
    return ShownReport(**{field.name: getattr(report, field.name) for field in fields(report)})


def context(
    db: Database,
    *,
    branding: Mapping[str, Any] | Branding | None = None,
    accounts: Mapping[str, str] | str | os.PathLike[str] | None = None,
    files: Sequence[SourceFile] | Future[tuple[SourceFile, ...]] = (),
) -> Context:
    """Build the context of report builders; the arguments are those of :func:`build`, ``files`` may be a future."""
    from polydoc_analytics.query.account_names import names_of
    from polydoc_analytics.reports.branding import branding as parsed
    from polydoc_analytics.reports.builders.context import Context
    from polydoc_analytics.reports.charts.labels import Labels
    from polydoc_analytics.reports.customers import customers
    from polydoc_analytics.reports.formatting import Formatter

    require_extra("reports", "a report")
    brand = branding if isinstance(branding, Branding) else parsed(branding or {})
    words = Formatter(brand.locale, db.timezone, brand.currency)
    names = {**db.account_names, **names_of(accounts)}
    known = customers(os.fspath(accounts)) if accounts and not isinstance(accounts, Mapping) else {}
    return Context(db, words, brand, names, files, db.now, Labels(db, names), known)


def checked_formats(formats: str | Iterable[str]) -> tuple[str, ...]:
    """Return formats without repetition; raises UsageError for an unknown one, or where there is none."""
    from polydoc_analytics.errors import nearest

    given = formats.split(",") if isinstance(formats, str) else list(formats)
    wanted = tuple(dict.fromkeys(form.strip() for form in given if form.strip()))
    for form in wanted:
        if form not in FORMATS:
            raise UsageError(f"unknown format '{form}'{nearest(form, FORMATS)}; expected {', '.join(FORMATS)}")
    if not wanted:
        raise UsageError(f"no format; expected some of {', '.join(FORMATS)}")
    return wanted


def checked_all(kind: str) -> None:
    """Raise UsageError where a kind has no reports for all accounts."""
    if kind != "statement":
        raise UsageError(f"all accounts get statements, not a report of the kind '{kind}'; say kind statement")


@contextmanager
def hashed(source: Source, engine: str = "duckdb") -> Iterator[Future[tuple[SourceFile, ...]]]:
    """Yield a future of the source's files with their hashes, which are computed while the views are asked."""
    from polydoc_analytics.reports.builders.provenance import source_files

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(source_files, source, engine=engine)


@contextmanager
def charts_started(formats: Sequence[str]) -> Iterator[None]:
    """Start what draws the charts of some formats in the background, while the views are asked."""
    from polydoc_analytics.reports.charts.export import start

    with ThreadPoolExecutor(1) as pool:
        if not {"html", "pdf"}.isdisjoint(formats):
            pool.submit(start)
        yield


def statements(
    context: Context,
    formats: Sequence[str],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    missing: MissingLetters | None = None,
) -> list[Path]:
    """Write one statement for each account of a context, in parallel, and then an index of them; return the paths.

    The paths of the index are the first. ``missing`` takes what no font of a PDF has. Memory holds the
    runs of a few accounts at a time. Raises SumError where a sum of some accounts does not fit, once the statements of
    the others and the index are written.
    """
    from polydoc_analytics.reports.builders.statement_data import account_data
    from polydoc_analytics.reports.builders.statement_index import index

    accounts = [
        row[0] for row in context.db.fetch("select account_id from usage_by_account order by account_id").rows()
    ]
    processes = min(os.cpu_count() or 1, _MAX_PROCESSES)
    workers = processes + 1  # each process is fed by a thread, and one more prepares the next document
    paths: list[Path] = []
    named: dict[str, str] = {}
    unfit: SumError | None = None
    pending: deque[Future[list[Path]]] = deque()

    def take() -> None:
        paths.extend(pending.popleft().result())
        if progress is not None:
            progress(len(paths), len(accounts) * len(formats))

    many = typesetters(processes) if "pdf" in formats and len(accounts) >= _MANY else nullcontext()
    with many as set_type, ThreadPoolExecutor(workers) as pool:
        try:
            for data in account_data(context, accounts):
                named[data.account_id] = f"statement_{data.slug}"
                pending.append(pool.submit(_one, context, data, formats, folder, missing, set_type))
                if len(pending) > 4 * workers:
                    take()
        except SumError as error:
            unfit = error
        while pending:
            take()
    paths = [*write(index(context, named, unfit), formats, folder, missing=missing), *paths]
    if unfit is not None:
        without = counted(len(unfit.accounts), "account has", "accounts have")
        written = counted(len(named), "statement is", "statements are")
        raise SumError(f"{without} no statement, {written} written in {folder}: {unfit}", unfit.accounts)
    return paths


def _one(
    context: Context,
    data: AccountData,
    formats: Sequence[str],
    folder: Path,
    missing: MissingLetters | None,
    set_type: Typesetter | None,
) -> list[Path]:
    from polydoc_analytics.reports.builders.statement import statement_of

    return write(statement_of(context, data), formats, folder, 1, missing, set_type)


def write(
    report: Report,
    formats: Sequence[str],
    folder: Path,
    workers: int | None = None,
    missing: MissingLetters | None = None,
    set_type: Typesetter | None = None,
) -> list[Path]:
    """Write a report in some formats into a folder, which is made where it is missing; return the paths.

    The formats are drawn side by side, by as many ``workers`` as there are formats where none are given. ``missing``
    takes what no font of a PDF has, ``set_type`` is what sets a PDF, if not this process.
    """
    name, formats = f"{report.kind}_{report.slug}", with_workbook(report, formats)

    def written(form: str) -> Path:
        return _write(folder / f"{name}.{form}", render(report, form, missing, set_type))

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if workers == 1:
            return [written(form) for form in formats]
        with ThreadPoolExecutor(workers or len(formats)) as pool:
            return list(pool.map(written, formats))
    except OSError as error:
        raise SourceError(f"{folder}: {error.strerror or error}; choose another folder with --out") from None


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file of a report atomically; its folder is made where it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _write(path, content)
    except OSError as error:
        raise SourceError(f"{path.parent}: {error.strerror or error}; choose another folder with --out") from None


def _write(path: Path, content: bytes) -> Path:
    with atomic_write(path) as file:
        file.write(content)
    return path
