"""Answers to flags that people try: the one that does what they mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

_FORMATS = {"csv": "--csv", "json": "--json", "md": "--markdown", "markdown": "--markdown", "table": "no flag"}
_SAME: Mapping[str, str] = {
    "--format-in": "--input-format",
    "--from": "--since",
    "--start": "--since",
    "--to": "--until",
    "--end": "--until",
    "--month": "--period",
    "--week": "--period",
    "--quarter": "--period",
    "--year": "--period",
    "--tz": "--timezone",
    "--zone": "--timezone",
    "--lang": "--language",
    "--account-id": "--account",
    "--customer": "--account",
    "--group-by": "--by",
    "--group": "--by",
    "--per": "--every",
    "--interval": "--every",
    "--sort": "--order",
    "--order-by": "--order",
    "--sort-by": "--order",
    "--limit": "--top",
    "--head": "--top",
    "-n": "--top",
    "--silent": "--quiet",
    "--dry-run": "--run",
    "--force": "--overwrite",
    "--output-dir": "--out",
    "--sql": "--file",
}
"""Flags of other tools, and the flag here that does the same."""


def hint(tried: str, arguments: Sequence[str], flags: Collection[str]) -> str | None:
    """Word the answer to a flag that a command lacks; ``flags`` are those that it has. None where nothing is known."""
    value = _value(tried, arguments)
    if tried in ("--format", "--output-format", "-f") and "--json" in flags:
        wanted = _FORMATS.get((value or "").lower())
        if "--csv" not in flags:
            return "use --json"
        return f"use {wanted}" if wanted else "use --json, --csv or --markdown; without one it is a table"
    if tried in ("--csv", "--markdown") and "--json" in flags:
        return "use --json"
    if tried in ("--csv", "--json", "--markdown", "--html", "--pdf", "--xlsx", "--md") and "--format" in flags:
        kind = "md" if tried == "--markdown" else tried.removeprefix("--")
        return "a report is no CSV; `usage --csv` prints one" if kind == "csv" else f"use --format {kind}"
    if tried in ("--out", "--output", "-o") and "--out" not in flags:
        ending = (value or "").rpartition(".")[2]
        flag = f"--{ending} " if ending in ("csv", "json") else ""
        return f"figures go to standard output; write them with {flag}> {value or 'FILE'}"
    if tried in ("--output", "-o") and "--out" in flags:
        return "use --out"
    same = _SAME.get(tried)
    if same == "--run" and same in flags:
        return "without --run it is a dry run"
    return f"use {same}" if same in flags else None


def _value(tried: str, arguments: Sequence[str]) -> str | None:
    """Find the value of a flag among the arguments: ``--flag VALUE`` or ``--flag=VALUE``."""
    for at, argument in enumerate(arguments):
        name, has_value, value = argument.partition("=")
        if name == tried:
            following = arguments[at + 1] if at + 1 < len(arguments) else ""
            return value if has_value else following if following and not following.startswith("-") else None
    return None
