"""A mail: plain text and HTML with the key figures, charts as pictures inside, files attached as far as they fit."""

from __future__ import annotations

import re
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from functools import cache
from importlib import resources
from typing import Any

from polydoc_analytics.automation.delivery.messages import Attachment, Delivery, Message, Package
from polydoc_analytics.config.tables import Email
from polydoc_analytics.reports.formatting import ENGLISH_LOCALE, Formatter, followed

_TYPES = {
    "html": ("text", "html"),
    "pdf": ("application", "pdf"),
    "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "md": ("text", "markdown"),
    "json": ("application", "json"),
}
_MAX_GROWTH = 1.4  # base64 and its line ends
_ACCENT = "#1f5fa8"
_LOGO = "logo"
"""The name of the logo among the pictures of a package."""


def mail(target: Email, delivery: Delivery, package: Package) -> bytes:
    """Build the message with CRLF line ends; the same delivery has the same Message-ID and date every time."""
    from email.utils import format_datetime

    message = package.message
    policy = (SMTPUTF8 if needs_utf8(target, delivery) else SMTP).clone(header_factory=_header_types())
    mime = EmailMessage(policy=policy)
    mime["From"], mime["To"] = target.from_, delivery.receiver
    if target.cc:
        mime["Cc"] = ", ".join(target.cc)
    if target.reply_to:
        mime["Reply-To"] = target.reply_to
    mime["Subject"] = subject(target, message)
    mime["Date"] = format_datetime(package.made_at)
    mime["Message-ID"] = message_id(delivery, target.from_)
    mime["Auto-Submitted"] = "auto-generated"
    attached, notes = _attached(target, package)
    contact = target.reply_to or target.from_
    opening = _opening(target, message)
    questions = _words(message).gettext("Questions? Write to {contact}.", contact="{contact}")
    mime.set_content(_text(package, opening, [*notes, "", questions.replace("{contact}", contact)]))
    page = _page().render(
        message=message,
        subject=mime["Subject"],
        preview="; ".join(f"{label} {value}" for label, value, _ in message.figures[:3]),
        accent=message.brand.get("accent") or _ACCENT,
        issuer=message.brand.get("issuer", ""),
        has_logo=_LOGO in package.charts,
        opening=opening,
        notes=notes,
        contact=contact,
        questions=questions.split("{contact}"),
    )
    mime.add_alternative(page, subtype="html")
    parts: Any = mime.get_payload()
    for name, picture in package.charts.items():
        kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
        parts[1].add_related(picture, "image", kind, cid=f"<{name}@polydoc-analytics>", filename=f"{name}.{kind}")
    for file in attached:
        main, sub = _TYPES.get(file.name.rpartition(".")[2], ("application", "octet-stream"))
        mime.add_attachment(file.content, main, sub, filename=file.name)
    return mime.as_bytes()


class _EncodedSubject(UnstructuredHeader, BaseHeader):
    """A subject that is encoded as a whole: where words are by themselves, Python loses spaces between them."""

    def fold(self, *, policy: Any) -> str:
        """Fold the header into lines that end as the policy has them."""
        if self.isascii() and self.isprintable():
            return str(super().fold(policy=policy))
        encoded = Header(self, "utf-8", header_name=self.name).encode(linesep=policy.linesep)
        return f"{self.name}: {encoded}{policy.linesep}"


@cache
def _header_types() -> HeaderRegistry:
    found = HeaderRegistry()
    found.map_to_type("subject", _EncodedSubject)
    return found


def subject(target: Email, message: Message) -> str:
    """Word the subject: of reports by the settings, of notices their title."""
    template = target.subject if target.subject and message.event == "report" else "{title} {period}"
    values = {
        "title": message.title,
        "period": message.period,
        "report": str(message.data.get("report", "")),
        "account": message.brand.get("account", ""),
        "issuer": message.brand.get("issuer", ""),
    }
    return " ".join(re.sub(r"\{(\w+)\}", lambda match: followed(values[match[1]]), template).split())


def _opening(target: Email, message: Message) -> list[str]:
    """List what stands above the figures: a greeting where it is for one account, the introduction, the sentences."""
    name = message.brand.get("account")
    greeting = [_words(message).gettext("Hello {account},", account=name)] if name else []
    introduction = [target.introduction] if target.introduction and message.event == "report" else []
    # A report's own text begins with the sender's name, which stands at the head here.
    return [*greeting, *introduction, *(text for text in message.text if text != message.brand.get("issuer"))]


def _words(message: Message) -> Formatter:
    return Formatter().in_language_of(message.locale or ENGLISH_LOCALE)


def needs_utf8(target: Email, delivery: Delivery) -> bool:
    """Check whether an address has letters beyond ASCII, which only servers with SMTPUTF8 take."""
    addresses = (target.from_, delivery.receiver, target.reply_to or "", *target.cc, *target.bcc)
    return not all(address.isascii() for address in addresses)


def message_id(delivery: Delivery, sender: str) -> str:
    """Return the Message-ID of a delivery."""
    return f"<{delivery.key}@{sender.rpartition('@')[2]}>"


def _attached(target: Email, package: Package) -> tuple[list[Attachment], list[str]]:
    """Return the files that fit, small ones first, and what is said of those that do not."""
    words = _words(package.message)
    if not target.attach:
        return [], [_named(file, words) for file in package.files]
    room = target.max_size - sum(len(picture) for picture in package.charts.values()) * _MAX_GROWTH
    fitting = []
    for file in sorted(package.files, key=lambda file: (len(file.content), file.name)):
        room -= len(file.content) * _MAX_GROWTH
        if room >= 0:
            fitting.append(file)
    left_out = (_named(file, words) for file in package.files if file not in fitting)
    notes = [words.gettext("Too large to attach: {file}", file=file) for file in left_out]
    return [file for file in package.files if file in fitting], notes


def _named(file: Attachment, words: Formatter) -> str:
    size = len(file.content)
    return words.ngettext(
        "{file}, {count} byte, SHA-256 {sha256}",
        "{file}, {count} bytes, SHA-256 {sha256}",
        size,
        file=file.name,
        sha256=file.sha256,
    )


def _text(package: Package, opening: list[str], notes: list[str]) -> str:
    message = package.message
    lines = [message.title, message.period, "", *opening, ""]
    labelled = _words(message).labelled
    lines += [f"{labelled(label, value)}{f' ({note})' if note else ''}" for label, value, note in message.figures]
    lines += ["", *(f"{title}. {sentence}" for title, sentence, _ in message.charts), "", *notes]
    return "\n".join(lines).strip() + "\n"


@cache
def _page() -> Any:
    from jinja2 import Environment, StrictUndefined

    template = resources.files(__package__).joinpath("email.html.j2").read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(template)
