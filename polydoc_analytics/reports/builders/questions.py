"""Sections of the overview that answer a question in a sentence: requests, what moved credits, where it will end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polydoc_analytics.query.explain import explain_pair
from polydoc_analytics.query.explanation import Explanation
from polydoc_analytics.query.explanation import sentence as explain_sentence
from polydoc_analytics.query.figure_texts import Wording
from polydoc_analytics.query.outlook import sentence as outlook_sentence
from polydoc_analytics.query.outlook_forecast import METHOD, has_outlook, outlook
from polydoc_analytics.reports.builders.context import Context, records
from polydoc_analytics.reports.builders.explanation import explanation_chart
from polydoc_analytics.reports.builders.missing_values import Known, reason
from polydoc_analytics.reports.builders.tables import TOP, keys, plain, table_row
from polydoc_analytics.reports.model import Chart, Column, Section

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database

_REQUESTS = (
    Column("requests", "requests", "count"),
    Column("success_rate", "succeeded", "rate"),
    Column("first_try_rate", "at the first try", "rate"),
    Column("recovered_requests", "recovered", "count"),
    Column("failed_requests", "given up", "count"),
    Column("extra_successes", "extra successes", "count"),
    Column("credits_on_extra_successes", "credits on these", "count"),
    Column("p95_wait_s", "95th wait s", "seconds"),
    Column("succeeded_requests", "succeeded requests", "count", only_data=True),
    Column("running_requests", "running requests", "count", only_data=True),
    Column("attempts", "attempts", "count", only_data=True),
)


def requests_section(context: Context) -> list[Section]:
    """Return the section on requests, by account; none where there are none."""
    by_account, whole = context.db.with_total("request_rates_by_account")
    if not whole["requests"]:
        return []
    columns = (*keys(context, "account_id"), *_REQUESTS)
    ordered = by_account.sort("requests", "account_id", descending=[True, False])
    rows = [table_row(context, columns, row) for row in records(ordered)]
    note = (
        "A request is a chain of runs of one account, input file and language until one has succeeded; it belongs to "
        "the period in which its first run was created."
    )
    table = plain(columns, rows, shown=TOP, noun="accounts")
    return [Section("requests", "Requests", (requests_sentence(context, whole),), table=table, notes=(note,))]


def requests_sentence(context: Context, rates: dict[str, Any]) -> str:
    """Phrase how many requests succeeded, at which try, and what was paid twice."""
    finished = rates["succeeded_requests"] + rates["failed_requests"]
    running = rates["running_requests"]
    if not finished:
        return f"No request has finished; {context.counted(running, 'is', 'are')} still running."
    noun = "finished request" if running else "request"
    text = f"{context.text(rates['success_rate'], 'rate')} of {context.counted(finished, noun)} succeeded, "
    text += f"{context.text(rates['first_try_rate'], 'rate')} at the first try; "
    recovered, failed = rates["recovered_requests"], rates["failed_requests"]
    text += f"{context.counted(recovered, 'was', 'were')} recovered by trying again, "
    text += f"{context.text(failed, 'count')} given up"
    if rates["extra_successes"]:
        credits_ = rates["credits_on_extra_successes"]
        cost = "of unknown credits" if credits_ is None else f"cost {context.counted(credits_, 'credit')}"
        text += f"; {context.counted(rates['extra_successes'], 'extra success', 'extra successes')} {cost}"
    if running:
        text += f"; {context.counted(running, 'is', 'are')} still running"
    return f"{text}."


def explained(context: Context, now: Database, before: Database, known: tuple[Known, Known]) -> tuple[Explanation, str]:
    """Explain credits since the period before and put it in a sentence; runs, where too many runs lack credits.

    ``known`` are the counts of missing values of the two periods.
    """
    why = reason(context, "credits", *known)
    explanation = explain_pair(before, now, "credits")
    if why or explanation.difference is None:
        explanation = explain_pair(before, now, "runs")
    text = explain_sentence(explanation, wording(context))
    return explanation, f"{text} Of credits {why}." if why else text


def explanation_charts(context: Context, of: Explanation) -> tuple[Chart, ...]:
    """Draw the causes as a waterfall; none where nothing moved."""
    if not any(of.whole_effects.values()):
        return ()
    what = of.measure.replace("_", " ")
    spec = explanation_chart(of, lambda number: context.text(number, "count"))
    about = f"From the {what} of the period before to those of this one, cause by cause."
    return (Chart("causes", f"What moved {what}", about, spec),)


def outlook_section(context: Context) -> list[Section]:
    """Return the section on where a period in progress will end; none for other periods."""
    if not has_outlook(context.db):
        return []
    texts = [outlook_sentence(outlook(context.db, measure=name), wording(context)) for name in ("credits", "runs")]
    return [Section("outlook", "Outlook", tuple(texts), notes=(METHOD,))]


def wording(context: Context) -> Wording:
    """Return how sentences write numbers, days and accounts in a report."""
    return Wording(
        lambda number: context.text(number, "count"),
        lambda share: context.text(share, "rate"),
        context.words.day,
        lambda account: context.text(context.account(account), "text"),
    )
