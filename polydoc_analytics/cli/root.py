"""The application that every command is put on."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="Usage figures you can trust from the run logs of a document translation service.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from polydoc_analytics._version import __version__

        print(f"polydoc-analytics {__version__}")
        raise typer.Exit
