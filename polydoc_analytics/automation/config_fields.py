"""Keys of ``[schedule]``, ``[delivery.NAME]``, ``[[reports]]`` and ``[[alerts]]``."""

from __future__ import annotations

from polydoc_analytics.config.fields import Key
from polydoc_analytics.reports.renderers import FORMATS

PERIODS = ("yesterday", "last-week", "last-month", "last-quarter", "last-year")
PRESETS = {
    "daily": "0 7 * * *",
    "weekly": "0 7 * * 1",
    "monthly": "0 7 1 * *",
    "quarterly": "0 7 1 1,4,7,10 *",
    "yearly": "0 7 1 1 *",
}
PLACES = ("report", "period", "edition", "account")

SCHEDULE = (
    Key("sync", "texts", "sources of the settings that `schedule` syncs before it looks what is due", ()),
    Key("alerts", "flag", "whether `schedule` checks the alerts too, once what is due is done", False),
    Key("attempts", "count", "how often a job or a delivery is tried before it counts as failed", 5),
    Key("back_off", "length", "the wait before the second try; it doubles with every further one", "5m"),
    Key("tell", "texts", "deliveries that hear when a job failed or is held", ()),
)

REPORT = (
    Key("name", "name", "what the report is called in the ledger", is_required=True),
    Key("kind", "text", "overview, statement, languages, quality, or a kind of your own", "overview"),
    Key("schedule", "text", f"a cron expression of five fields, or {', '.join(PRESETS)} (at 07:00)", is_required=True),
    Key("timezone", "text", "IANA zone of the schedule and of the days; default: that of the settings"),
    Key("period", "text", f"{', '.join(PERIODS)}, or 7d: whole local days before the day it is due", is_required=True),
    Key("formats", "texts", "the forms of the report", ("html",), FORMATS),
    Key("accounts", "texts", "only these accounts; default: all", ()),
    Key("per_account", "flag", "one statement for each account that has runs, each to that account's contact", False),
    Key("output", "template", "folder or URI where the files are put", None, PLACES),
    Key("deliver", "texts", "names of [delivery.NAME] tables that get it", ()),
    Key("start", "text", "the day from which it is due; default: when a scheduler first sees it"),
    Key("catch_up", "count", "at most so many missed periods are made up for; older ones are skipped", 1),
    Key("needs", "texts", "sources that must have been synced past the end of the period", ()),
    Key("wait", "length", "how long it waits for what it needs", "2h"),
    Key("incomplete", "text", "after that: send it, marked as incomplete, or hold it", "send", ("send", "hold")),
)

_TIMEOUT = Key("timeout", "count", "seconds that a receiver may be silent", 30)
_PATH = Key("path", "template", "folder", None, PLACES, is_required=True)
DELIVERY: dict[str, tuple[Key, ...]] = {
    "folder": (_PATH,),
    "store": (Key("uri", "template", "s3://, gs:// or az:// URI of a prefix", None, PLACES, is_required=True),),
    "email": (
        Key("host", "text", "the SMTP server", is_required=True),
        Key("port", "count", "its port; default: 587, or 465 with tls", None),
        Key("security", "text", "how the connection is made safe", "starttls", ("starttls", "tls", "none")),
        Key("ca_file", "text", "certificates that are trusted in the place of the system's"),
        Key("user", "text", "the name to log in by"),
        Key("password_env", "variable", "the environment variable that holds the password"),
        Key("from", "text", "the sender's address", is_required=True),
        Key("to", "texts", "the receivers; each gets a message of its own", ()),
        Key("contacts", "text", "CSV of account_id,email: who gets the statements of per_account"),
        Key("attach", "flag", "whether the files are attached", True),
        Key("max_size", "size", "files that would make a message larger than this are named, not attached", "10MB"),
        _TIMEOUT,
    ),
    "slack": (Key("url_env", "variable", "environment variable of the incoming webhook", is_required=True), _TIMEOUT),
    "webhook": (
        Key("url_env", "variable", "environment variable that holds the URL", is_required=True),
        Key("secret_env", "variable", "environment variable of the key that signs (HMAC-SHA256)"),
        _TIMEOUT,
    ),
}

_ALERT = (
    Key("name", "name", "what the alert is called", is_required=True),
    Key("deliver", "texts", "names of [delivery.NAME] tables that hear of it", ()),
)
_MIN = Key(
    "min_runs",
    "count",
    "windows with fewer runs (finished ones, for a rate) say nothing; default: 1, for counts 0",
    None,
)
_NO_DATA = Key("no_data_after", "length", "after so long without data it is said that there are none", "3d")
_LONG = Key("longer_than", "length", "how long is too long", is_required=True)
_VIEW = Key("view", "text", "a usage view, or one of your own", is_required=True)
_MEASURE = Key("measure", "text", "a column of it", is_required=True)
ALERT: dict[str, tuple[Key, ...]] = {
    "limit": (
        *_ALERT,
        _VIEW,
        _MEASURE,
        Key("above", "number", "fires above this; a rate when it is so with 97.5 % confidence"),
        Key("below", "number", "fires below this; a rate likewise"),
        _MIN,
        _NO_DATA,
        Key("for", "count", "so many windows in a row, up to the last that is whole", 1),
        Key("window", "text", "of a view without periods: 7d, whole local days before today", "1d"),
    ),
    "change": (
        *_ALERT,
        _VIEW,
        _MEASURE,
        Key("rises", "number", "fires when yesterday is more than this share above the median, such as 0.5"),
        Key("falls", "number", "fires when yesterday is more than this share below the median"),
        Key("weeks", "count", "how many earlier days of the same weekday the median is over", 6, least=3),
        _MIN,
        _NO_DATA,
    ),
    "budget": (
        *_ALERT,
        Key("credits", "number", "credits that an account may use in a local month", is_required=True),
        Key("accounts", "numbers", "other budgets, by account id"),
        Key("stages", "shares", "shares of the budget that are told of by themselves, besides passing it", (0.8,)),
        Key("projected", "flag", "fires too when the month would end above it, from the fourth day on", True),
        _NO_DATA,
    ),
    "running": (*_ALERT, _LONG),
    "silent": (*_ALERT, Key("sources", "texts", "sources of the settings; default: all", ()), _LONG),
    "quarantine": (
        *_ALERT,
        Key("above", "number", "share of the rows read", is_required=True),
        Key("window", "length", "over the loads of so long", "1d"),
        _NO_DATA,
    ),
}
