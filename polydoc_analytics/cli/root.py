"""The application that every command is put on, and how a command's flags and help are made."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from polydoc_analytics.cli.flag_values import take_texts_as_they_come
from polydoc_analytics.cli.listed import COMMANDS, Listed
from polydoc_analytics.errors import UsageError

_F = TypeVar("_F", bound=Callable[..., Any])

RUNS, TIME, OUTPUT, READING, ENGINE = "Which runs", "Which time", "Output", "Reading", "Engine"
_TYPE = re.compile(r" <[^>]*>$")
"""Python's name of a type, which click writes behind an argument."""
_PANELS = (RUNS, TIME, OUTPUT, READING, ENGINE)
MODULES = {name: module for name, (module, _) in COMMANDS.items()}
"""The module of each command, in the order of the help."""
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 1000}
"""Help is as wide as the terminal; click's own limit is 80 columns."""


class _Quick:
    """A command or group whose values of flags are taken without importing pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, the help option among them, ready to take texts as they come."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            take_texts_as_they_come(parameter)
        return parameters


class Command(_Quick, TyperCommand):
    """A command whose help has its own options first, then the shared ones in groups."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.params.sort(key=lambda one: one.param_type_name == "option" and _place(one))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments; a flag of other tools is answered with the one that does the same."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            tried = getattr(error, "option_name", None)
            if type(error).__name__ != "NoSuchOption" or tried is None:
                raise
            from polydoc_analytics.cli.hints import hint

            flags = [text for parameter in self.params for text in parameter.opts]
            answer = hint(tried, given, flags)
            if answer is None:
                raise
            raise UsageError(f"{ctx.command_path.partition(' ')[2]} has no {tried}; {answer}") from None

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options under their headings."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], **{name: [] for name in _PANELS}}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default = "Arguments" if parameter.param_type_name == "argument" else "Options"
                panel = getattr(parameter, "rich_help_panel", None) or default
                groups[panel].append((_TYPE.sub("", record[0]), record[1].replace("[x>=1]", "[1 or more]")))
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


def _place(option: Any) -> int:
    panel = getattr(option, "rich_help_panel", None)
    return 2 + _PANELS.index(panel) if panel else 1


class _Group(_Quick, TyperGroup):
    """A group of commands; those of the application stand in the order of ``MODULES``."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        known = [name for name in MODULES if name in self.commands]
        self.commands = {name: self.commands[name] for name in [*known, *self.commands]}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that is called; one that is only listed is imported."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found.load() if isinstance(found, Listed) else found, rest


app = typer.Typer(
    cls=_Group,
    help="Usage figures you can trust from the run logs of a document translation service.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from polydoc_analytics._version import __version__

        print(f"polydoc-analytics {__version__}")
        raise typer.Exit


def group(name: str, summary: str) -> typer.Typer:
    """Put a group of commands, such as ``lake``, on the application."""
    made = typer.Typer(
        cls=_Group, help=summary, no_args_is_help=True, rich_markup_mode=None, context_settings=_SETTINGS
    )
    app.add_typer(made, name=name)
    return made


def command(on: typer.Typer = app, name: str | None = None) -> Callable[[_F], _F]:
    """Decorate a function as a command; each field of a parameter that is a dataclass becomes a flag."""

    def decorate(function: _F) -> _F:
        on.command(name, cls=Command, context_settings=_SETTINGS)(_expanded(function))
        return function

    return decorate


def _expanded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that it takes the fields of its dataclass parameters in place of these."""
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint) and name != "return"}

    @functools.wraps(function)
    def call(**flags: Any) -> Any:
        given = {
            name: kind(**{field.name: flags.pop(field.name) for field in fields(kind)}) for name, kind in groups.items()
        }
        return function(**flags, **given)

    parameters = [one for name in signature.parameters for one in _parameters(name, hints, signature)]
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    del call.__wrapped__
    return call


def _parameters(name: str, hints: dict[str, Any], signature: inspect.Signature) -> Iterator[inspect.Parameter]:
    kind = hints[name]
    if not is_dataclass(kind):
        default = signature.parameters[name].default
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        return
    inner = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=inner[field.name]
        )
