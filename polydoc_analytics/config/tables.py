"""The settings file as pydantic models: every table with its keys, their types, defaults and meanings."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PrivateAttr, Tag, model_validator

from polydoc_analytics.config import values as v
from polydoc_analytics.config.choices import REPORT_PERIODS, DateBasis, Engine
from polydoc_analytics.config.values import invalid
from polydoc_analytics.model.cron import PRESETS, Cron

NEEDED: Any = ...


def _key(meaning: str, default: Any = None, alias: str | None = None) -> Any:
    return Field(default, description=meaning, alias=alias, validate_default=default not in (None, ()))


class Table(BaseModel):
    """A table of the settings; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Named(Table):
    """A table ``[section.NAME]``, which has its name from its place in the file."""

    _name: str = PrivateAttr("")

    @property
    def name(self) -> str:
        """The NAME of ``[section.NAME]``."""
        return self._name

    def named(self, name: str) -> Self:
        """Set the name, and return the table."""
        object.__setattr__(self, "_name", name)
        return self


class Branding(Table):
    """``[branding]``: how reports look."""

    title: v.Text | None = _key("stands above every report's own title")
    logo: v.Text | None = _key("SVG, PNG or JPEG file of at most 500 KB")
    accent: v.Text | None = _key("colour of lines and bars, such as #1f5fa8; at least 3:1 on white")
    warm: v.Text | None = _key("colour of what failed, such as #c2410c; likewise")
    currency: v.Text | None = _key("ISO 4217 code of the price, such as EUR")
    price_per_credit: v.Price | None = _key('exact price of a credit, such as "0.02"; puts money beside credits')
    locale: v.Text | None = _key("language and country of reports; default: the locale of the settings, else en_GB")
    fonts: v.Text | None = _key("folder of font files for the PDF, beside those that are built in")
    name: v.Text | None = _key("who issues statements; stands in their head and in the properties of their files")
    address: v.Texts | None = _key("lines of the issuer's address, a list or a text of several lines")
    contact: v.Text | None = _key("where questions on a statement go, such as billing@example.com")
    tax: v.Text | None = _key("the issuer's tax or registration number, as it is to be read")
    number: v.StatementNumber | None = _key("pattern of a statement's number; default: {period}-{account}")
    notice: v.Text | None = _key('line in the head of statements, in the place of "This is not an invoice."')


_LATE = "how late its rows come, such as 6h: so much past a period's end `needs` waits for"


class Api(Named):
    """``kind = "api"``: the service's REST API. It is the authority on the present."""

    kind: Literal["api"]
    base: v.Text = _key("URL of the service; runs are at {base}/v1/runs", "https://api.polydoc.ai")
    token_env: v.Variable = _key("environment variable that holds the bearer token", "POLYDOC_BEARER_AUTH")
    allow_http: v.Flag = _key(
        "send the token over plain http to another machine, where anyone on the way can read it", False
    )
    complete_after: v.Length | None = _key(_LATE)


class Postgres(Named):
    """``kind = "postgres"``: the service's PostgreSQL, or any table or query of the same columns. An authority."""

    kind: Literal["postgres"]
    dsn_env: v.Variable = _key("environment variable that holds the connection string", "POLYDOC_DSN")
    table: v.Text | None = _key("table or view of runs; default: public.run")
    query: v.Text | None = _key("a SELECT of the Run's columns, in the place of a table")
    look_back: v.Length = _key(
        "how long before the last sync a run may have begun or ended that is read again, such as 12h, 3d, 2w", "3d"
    )
    assume_utc: v.Flag = _key("take times without an offset for UTC", False)
    account_names: v.Text | None = _key("a SELECT of account_id and name")
    complete_after: v.Length | None = _key(_LATE)

    @model_validator(mode="after")
    def _one_relation(self) -> Self:
        if self.table and self.query:
            raise invalid("give a table or a query, not both")
        return self


class Files(Named):
    """``kind = "files"``: files in a folder, a bucket or under a glob."""

    kind: Literal["files"]
    path: v.FilePaths = _key("folder, file, glob or URI, or a list of them", NEEDED)
    input_format: v.Text | None = _key("ndjson, json, csv, parquet or arrow; by default found out")
    assume_utc: v.Flag = _key("take times without an offset for UTC", False)
    complete_after: v.Length | None = _key(_LATE)
    correct: v.Flag = _key("take the files for the authority: what they say replaces what is stored", False)


class Schedule(Table):
    """``[schedule]``: what is done around the jobs, and how often they are tried."""

    sync: v.Texts = _key("sources of the settings that `schedule` syncs before it looks what is due", ())
    alerts: v.Flag = _key("whether `schedule` checks the alerts too, once what is due is done", False)
    attempts: v.Count = _key("how often a job or a delivery is tried before it counts as failed", 5)
    back_off: v.Length = _key("the wait before the second try; it doubles with every further one", "5m")
    tell: v.Texts = _key("deliveries that hear when a job failed or is held", ())


class Report(Table):
    """One of ``[[reports]]``."""

    name: v.Name = _key("what the report is called in the ledger", NEEDED)
    kind: v.Text = _key("overview, statement, languages, quality, or a kind of your own", "overview")
    schedule: v.CronText = _key(f"a cron expression of five fields, or {', '.join(PRESETS)} (at 07:00)", NEEDED)
    timezone: v.Zone = _key("IANA zone of the schedule and of the days; default: that of the settings")
    period: v.ReportPeriod = _key(
        f"{', '.join(REPORT_PERIODS)}, or 7d: whole local days before the day it is due", NEEDED
    )
    formats: v.Formats = _key("the forms of the report", ("html",))
    accounts: v.Chosen = _key("only these accounts; default: all", ())
    per_account: v.Flag = _key("one statement for each account that has runs, each to that account's contact", False)
    output: v.Template | None = _key("folder or URI where the files are put")
    deliver: v.Texts = _key("names of [delivery.NAME] tables that get it", ())
    start: v.Day | None = _key("the day from which it is due; default: when a scheduler first sees it")
    catch_up: v.Count = _key("at most so many missed periods are made up for; older ones are skipped", 1)
    needs: v.Texts = _key("sources that must have been synced past the end of the period", ())
    wait: v.Length = _key("how long it waits for what it needs", "2h")
    incomplete: Literal["send", "hold"] = _key("after that: send it, marked as incomplete, or hold it", "send")

    @property
    def cron(self) -> Cron:
        """When it is due, in its time zone."""
        return Cron(PRESETS.get(self.schedule, self.schedule), self.timezone)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.kind == "statement" and not self.per_account and len(self.accounts) != 1:
            raise invalid("a statement is of one account; give per_account = true, or one of accounts")
        if self.per_account and self.kind != "statement":
            raise invalid('per_account makes statements; give kind = "statement"')
        if not self.output and not self.deliver:
            raise invalid("goes nowhere; give output, a folder, or deliver, names of [delivery.NAME]")
        return self


class Target(Named):
    """A place or a receiver that reports and notices are delivered to."""


class Folder(Target):
    """``kind = "folder"``."""

    kind: Literal["folder"]
    path: v.Template = _key("folder", NEEDED)


class Store(Target):
    """``kind = "store"``: an object store."""

    kind: Literal["store"]
    uri: v.Template = _key("s3://, gs:// or az:// URI of a prefix", NEEDED)

    @model_validator(mode="after")
    def _is_uri(self) -> Self:
        if "://" not in self.uri:
            raise invalid(f"uri '{self.uri}' is no URI; expected one such as s3://bucket/reports")
        return self


class Email(Target):
    """``kind = "email"``: mail by SMTP."""

    kind: Literal["email"]
    host: v.Text = _key("the SMTP server", NEEDED)
    port: v.Port | None = _key("its port; default: 587, or 465 with tls")
    security: Literal["starttls", "tls", "none"] = _key("how the connection is made safe", "starttls")
    ca_file: v.FilePath | None = _key("certificates that are trusted in the place of the system's")
    user: v.Text | None = _key("the name to log in by")
    password_env: v.Variable | None = _key("the environment variable that holds the password")
    from_: v.Address = _key("the sender's address", NEEDED, alias="from")
    to: v.Addresses = _key("the receivers; each gets a message of its own", ())
    contacts: v.FilePath | None = _key("CSV of account_id,email: who gets the statements of per_account")
    cc: v.Addresses = _key("addresses that get a copy of each message, and are named in it", ())
    bcc: v.Addresses = _key("addresses that get a copy of each message, and are not named in it", ())
    reply_to: v.Address | None = _key("where answers go; default: the sender")
    subject: v.Subject | None = _key("subject of reports; default: {title} {period}")
    introduction: v.Text | None = _key("what stands above the figures of a report")
    attach: v.Flag = _key("whether the files are attached", True)
    max_size: v.Size = _key("files that would make a message larger than this are named, not attached", "10MB")
    timeout: v.Seconds = _key("seconds that a receiver may be silent", 30)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if bool(self.user) != bool(self.password_env):
            raise invalid("user and password_env go together; give both or neither")
        if self.user and self.security == "none":
            raise invalid('a password needs a safe connection; give security = "starttls" or "tls"')
        return self


class Slack(Target):
    """``kind = "slack"``: an incoming webhook of Slack."""

    kind: Literal["slack"]
    url_env: v.Variable = _key("environment variable of the incoming webhook", NEEDED)
    link: v.Link | None = _key("where a report is to be opened, such as https://reports.example.com/{report}/{period}")
    timeout: v.Seconds = _key("seconds that a receiver may be silent", 30)


class Webhook(Target):
    """``kind = "webhook"``: JSON by HTTP POST, signed where there is a key."""

    kind: Literal["webhook"]
    url_env: v.Variable = _key("environment variable that holds the URL", NEEDED)
    secret_env: v.Variable | None = _key("environment variable of the key that signs (HMAC-SHA256)")
    timeout: v.Seconds = _key("seconds that a receiver may be silent", 30)


class Alert(Table):
    """One of ``[[alerts]]``: what every kind has."""

    kind: Any
    name: v.Name = _key("what the alert is called", NEEDED)
    deliver: v.Texts = _key("names of [delivery.NAME] tables that hear of it", ())


class _Measured(Alert):
    view: v.Text = _key("a view of usage or request_rates, outlook or outlook_by_account, or one of your own", NEEDED)
    measure: v.Text = _key("a column of it", NEEDED)
    min_runs: v.Count | None = _key(
        "windows with fewer runs (finished ones, for a rate) say nothing; default: 1, for counts 0"
    )


class _Waiting(Alert):
    no_data_after: v.Length = _key("after so long without data it is said that there are none", "3d")


class Limit(_Waiting, _Measured):
    """``kind = "limit"``: a measure is above or below a limit."""

    kind: Literal["limit"] = "limit"
    above: v.Number | None = _key("fires above this; a rate when it is so with 97.5 % confidence")
    below: v.Number | None = _key("fires below this; a rate likewise")
    for_: v.Windows = _key("so many windows in a row, up to the last that is whole", 1, alias="for")
    window: v.Days = _key("of a view without periods: 7d, whole local days before today", "1d")

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise invalid("give above or below, one of them")
        return self


class Change(_Waiting, _Measured):
    """``kind = "change"``: a measure of yesterday against the same weekday of earlier weeks."""

    kind: Literal["change"]
    rises: v.Number | None = _key("fires when yesterday is more than this share above the median, such as 0.5")
    falls: v.Part | None = _key("fires when yesterday is more than this share below the median")
    weeks: v.Weeks = _key("how many earlier days of the same weekday the median is over", 6)

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.rises is None) == (self.falls is None):
            raise invalid("give rises or falls, one of them")
        return self


class Budget(_Waiting):
    """``kind = "budget"``: credits of an account in a month."""

    kind: Literal["budget"]
    credits: v.Credits = _key("credits that an account may use in a local month", NEEDED)
    accounts: v.Budgets | None = _key("other budgets, by account id")
    stages: v.Shares = _key("shares of the budget that are told of by themselves, besides passing it", (0.8,))
    projected: v.Flag = _key("fires too when the month is expected to end above it, as `outlook` expects it", True)


class Running(Alert):
    """``kind = "running"``: runs that have not ended."""

    kind: Literal["running"]
    longer_than: v.Length = _key("how long is too long", NEEDED)


class Silent(Alert):
    """``kind = "silent"``: sources that bring nothing new."""

    kind: Literal["silent"]
    sources: v.Chosen = _key("sources of the settings; default: all", ())
    longer_than: v.Length = _key("how long is too long", NEEDED)


class Quarantine(_Waiting):
    """``kind = "quarantine"``: rows that were rejected."""

    kind: Literal["quarantine"]
    above: v.Part = _key("share of the rows read", NEEDED)
    window: v.Length = _key("over the loads of so long", "1d")


def _kind_of_alert(table: Any) -> str | None:
    return table.get("kind", "limit") if isinstance(table, dict) else None


AnySource = Annotated[Api | Postgres | Files, Discriminator("kind")]
AnyTarget = Annotated[Folder | Store | Email | Slack | Webhook, Discriminator("kind")]
AnyAlert = Annotated[
    Annotated[Limit, Tag("limit")]
    | Annotated[Change, Tag("change")]
    | Annotated[Budget, Tag("budget")]
    | Annotated[Running, Tag("running")]
    | Annotated[Silent, Tag("silent")]
    | Annotated[Quarantine, Tag("quarantine")],
    Discriminator(_kind_of_alert),
]
KINDS: dict[str, dict[str, type[Table]]] = {
    "sources": {"api": Api, "postgres": Postgres, "files": Files},
    "delivery": {"folder": Folder, "store": Store, "email": Email, "slack": Slack, "webhook": Webhook},
    "alerts": {
        "limit": Limit,
        "change": Change,
        "budget": Budget,
        "running": Running,
        "silent": Silent,
        "quarantine": Quarantine,
    },
}


class Document(Table):
    """The whole settings file."""

    timezone: v.Zone | None = _key("IANA zone in which days, weeks and months begin")
    date_basis: DateBasis | None = _key("whether a run belongs to when it was created or finished")
    accounts: v.FilePath | None = _key("CSV of account_id,name")
    lake: v.FilePath | None = _key("folder or URI of the lake")
    locale: v.Text | None = _key("language and country of reports, such as en_GB")
    views: v.FilePath | None = _key("folder of your own views, NAME.sql")
    engine: Engine | None = _key("who answers: duckdb, in this process, or spark, a cluster")
    remote: v.Text | None = _key("address of the cluster, sc://HOST:PORT; one with a token belongs in the environment")
    longest_row: v.RowSize | None = _key(
        "size beyond which a row of a text file is quarantined, from 64 KiB to 1 GiB; default: 64 MiB"
    )
    branding: Branding = Branding()
    sources: dict[v.SourceName, AnySource] = {}
    schedule: Schedule = Schedule()
    delivery: dict[v.TableName, AnyTarget] = {}
    reports: tuple[Report, ...] = ()
    alerts: tuple[AnyAlert, ...] = ()

    @model_validator(mode="after")
    def _names(self) -> Self:
        for tables in (self.sources, self.delivery):
            for name, table in tables.items():
                table.named(name)
        return self
