"""The commands over alerts: check them, and see what fires."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.lake import LakeUri, opened_lake
from polydoc_analytics.cli.root import app
from polydoc_analytics.model.plurals import counted, noun

alerts_app = typer.Typer(
    help="Check the alerts of the settings, and see what fires.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(alerts_app, name="alerts")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be; nothing is remembered or sent.")]


@alerts_app.command()
def check(
    lake: LakeUri = None,
    dry_run: DryRun = False,
    views: opt.Views = None,
    engine: opt.Engine = None,
    remote: opt.Remote = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    now: opt.Now = None,
    no_color: opt.NoColor = False,
) -> int:
    """Check every alert: exit 1 when any fires. Who is to hear of it hears once, and once when it is over.

    Example: polydoc-analytics alerts check --lake lake
    """
    from polydoc_analytics.automation import plans
    from polydoc_analytics.automation.alerts import evaluate
    from polydoc_analytics.automation.state_store import StateStore
    from polydoc_analytics.cli.shared import print_json

    out = opt.output(json, False, False, quiet, no_color)
    settings = opt.configured(config, views=views, engine=engine, remote=remote)
    target, found = opened_lake(lake, settings, out, must_exist=True), plans(settings)
    at = opt.parsed_now(now)
    if dry_run:
        result = evaluate.look(target, settings, found, at)
    else:
        with StateStore(target).lock(out.say):
            result = evaluate.check(target, settings, found, lambda: at)
    if out.format == "json":
        print_json(
            {
                "schema_version": 1,
                "report": "alerts",
                "lake": target.place.shown,
                "at": at.isoformat(),
                "data": [
                    {
                        "alert": one.alert,
                        "key": one.key,
                        "what": one.what,
                        "is_new": one in result.started,
                        "has_data": one.identity not in result.without_data,
                        "figures": dict(one.figures),
                        "examples": list(one.examples),
                    }
                    for one in result.firing
                ],
            }
        )
    else:
        for one in result.firing:
            print(f"{one.alert}: {one.what}{' (no data now)' if one.identity in result.without_data else ''}")
            for label, value in one.figures:
                print(f"    {label}: {value}")
            if one.examples:
                print(f"    runs to look at: {', '.join(one.examples)}")
    for name in result.recovered:
        out.say(f"over: {name}")
    for name in result.without_data:
        out.say(f"no data: {name.removesuffix(': ')}")
    out.say(f"{counted(len(found.alerts), 'alert')}, {len(result.firing)} {noun(len(result.firing), 'fires', 'fire')}")
    for notice in result.lost:
        bad = ", ".join(d["target"] for d in notice["deliveries"] if d["state"] != "sent")
        out.warn(f"'{notice['letter']['title']}' was not delivered to {bad}; see `polydoc-analytics schedule history`")
    return 3 if result.lost else 1 if result.firing else 0


@alerts_app.command("list")
def list_(
    lake: LakeUri = None,
    json: opt.Json = False,
    config: opt.Config = None,
) -> None:
    """List the alerts of the settings, and since when they fire, as of the last check."""
    from polydoc_analytics.automation import plans
    from polydoc_analytics.automation.alerts import evaluate
    from polydoc_analytics.cli.shared import print_json

    out = opt.output(json, False, False, False, False)
    settings = opt.configured(config)
    target, found = opened_lake(lake, settings, out, must_exist=True), plans(settings)
    state = evaluate.firing(target)
    rows: list[dict[str, Any]] = [
        {
            "alert": plan.name,
            "kind": plan.kind,
            "deliver": list(plan.deliver),
            "firing": [{"key": o["key"], "since": o["since"]} for o in state.values() if o["alert"] == plan.name],
        }
        for plan in found.alerts.values()
    ]
    if out.format == "json":
        print_json({"schema_version": 1, "report": "alerts list", "lake": target.place.shown, "data": rows})
        return
    for row in rows:
        fires = [f"{one['key']} since {one['since']}" for one in row["firing"]]
        print(f"{row['alert']} ({row['kind']}): {'; '.join(fires) or 'quiet'}")
