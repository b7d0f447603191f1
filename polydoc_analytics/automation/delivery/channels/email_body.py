"""A mail: plain text and HTML with the key figures, charts as pictures inside, files attached as far as they fit."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from functools import cache
from typing import Any

from polydoc_analytics.automation.delivery.messages import Attachment, Delivery, Package
from polydoc_analytics.config.tables import Email

_TYPES = {
    "html": ("text", "html"),
    "pdf": ("application", "pdf"),
    "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "md": ("text", "markdown"),
    "json": ("application", "json"),
}
_MAX_GROWTH = 1.4  # base64 and its line ends
_PAGE = """<!doctype html>
<html><body style="font-family: sans-serif; color: #1b2733; max-width: 44em">
<h1 style="font-size: 1.4em">{{ message.title }}</h1>
{% if message.period %}<p>{{ message.period }}</p>{% endif %}
{% for sentence in message.text %}<p>{{ sentence }}</p>
{% endfor %}
{% if message.figures %}<table cellpadding="6" style="border-collapse: collapse">
{% for label, value, note in message.figures %}<tr style="border-bottom: 1px solid #dfe5ea">
<td>{{ label }}</td><td align="right"><b>{{ value }}</b></td><td style="color: #566573">{{ note }}</td></tr>
{% endfor %}</table>{% endif %}
{% for title, sentence, name in message.charts %}<h2 style="font-size: 1.1em">{{ title }}</h2>
<p>{{ sentence }}</p><img src="cid:{{ name }}@polydoc-analytics" alt="{{ sentence }}" style="max-width: 100%">
{% endfor %}
{% for line in notes %}<p>{{ line }}</p>
{% endfor %}
</body></html>
"""


def mail(target: Email, delivery: Delivery, package: Package) -> bytes:
    """Return the message with CRLF line ends; the same delivery has the same Message-ID and date every time."""
    from email.utils import format_datetime

    message = package.message
    made = EmailMessage(policy=SMTPUTF8 if needs_utf8(target.from_, delivery.receiver) else SMTP)
    made["From"], made["To"] = target.from_, delivery.receiver
    made["Subject"] = " ".join(f"{message.title} {message.period}".split())
    made["Date"] = format_datetime(package.made_at)
    made["Message-ID"] = message_id(delivery, target.from_)
    made["Auto-Submitted"] = "auto-generated"
    attached, notes = _attached(target, package)
    made.set_content(_text(package, notes))
    made.add_alternative(_page().render(message=message, notes=notes), subtype="html")
    page: Any = made.get_payload()
    for name, picture in package.charts.items():
        page[1].add_related(picture, "image", "png", cid=f"<{name}@polydoc-analytics>", filename=f"{name}.png")
    for file in attached:
        main, sub = _TYPES.get(file.name.rpartition(".")[2], ("application", "octet-stream"))
        made.add_attachment(file.content, main, sub, filename=file.name)
    return made.as_bytes()


def needs_utf8(*addresses: str) -> bool:
    """Check whether an address has letters beyond ASCII, which only servers with SMTPUTF8 take."""
    return not all(address.isascii() for address in addresses)


def message_id(delivery: Delivery, sender: str) -> str:
    """Return the Message-ID of a delivery."""
    return f"<{delivery.key}@{sender.rpartition('@')[2]}>"


def _attached(target: Email, package: Package) -> tuple[list[Attachment], list[str]]:
    """Return the files that fit, small ones first, and what is said of those that do not."""
    if not target.attach:
        return [], [_named(file) for file in package.files]
    room = target.max_size - sum(len(picture) for picture in package.charts.values()) * _MAX_GROWTH
    fitting = []
    for file in sorted(package.files, key=lambda file: (len(file.content), file.name)):
        room -= len(file.content) * _MAX_GROWTH
        if room >= 0:
            fitting.append(file)
    notes = [f"Too large to attach: {_named(file)}" for file in package.files if file not in fitting]
    return [file for file in package.files if file in fitting], notes


def _named(file: Attachment) -> str:
    return f"{file.name}, {len(file.content):,} bytes, SHA-256 {file.sha256}"


def _text(package: Package, notes: list[str]) -> str:
    message = package.message
    lines = [message.title, message.period, "", *message.text, ""]
    lines += [f"{label}: {value}{f' ({note})' if note else ''}" for label, value, note in message.figures]
    lines += ["", *(f"{title}. {sentence}" for title, sentence, _ in message.charts), "", *notes]
    return "\n".join(lines).strip() + "\n"


@cache
def _page() -> Any:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(_PAGE)
