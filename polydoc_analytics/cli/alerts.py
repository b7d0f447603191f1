"""The commands of alerts: check them, and list those that fire."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import output_of
from polydoc_analytics.cli.root import command, group
from polydoc_analytics.cli.shared import opened_lake, print_json
from polydoc_analytics.errors import require_extra
from polydoc_analytics.model.plurals import counted, noun

alerts_app = group("alerts", "Check the alerts of the settings, and see what fires.")

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only print what would be done; nothing is remembered or sent.")
]


@command(alerts_app)
def check(
    *,
    where: opt.LakeChoice,
    printing: opt.JsonPrinting,
    dry_run: DryRun = False,
    views: opt.Views = None,
    engine: opt.Engine = None,
    remote: opt.Remote = None,
    now: opt.Now = None,
) -> int:
    """Check every alert: exit 1 when any fires, 2 when one fails. Receivers hear of its start and of its end, once.

    Example: polydoc-analytics alerts check --lake lake

    Example: polydoc-analytics alerts check --dry-run --json
    """
    from polydoc_analytics.automation import plans
    from polydoc_analytics.automation.alerts import evaluate
    from polydoc_analytics.automation.state_store import StateStore

    require_extra("schedule", "an alert")
    out = output_of(printing)
    settings = opt.configured(where.config, views=views, engine=engine, remote=remote)
    target, plan = opened_lake(where.lake, settings, out, must_exist=True), plans(settings)
    if where.lake is None:
        out.say(f"lake: {target.place.shown}, that of the settings")
    at = opt.parsed_now(now)
    if dry_run:
        result = evaluate.look(target, settings, plan, at)
    else:
        with StateStore(target).lock(out.say):
            result = evaluate.check(target, settings, plan, lambda: at)
    if out.format == "json":
        rows = [
            {
                "alert": alert.alert,
                "key": alert.key,
                "what": alert.what,
                "is_new": alert in result.started,
                "has_data": alert.identity not in result.without_data,
                "figures": dict(alert.figures),
                "examples": list(alert.examples),
            }
            for alert in result.firing
        ]
        head = {"schema_version": 1, "report": "alerts", "lake": target.place.shown, "at": at.isoformat()}
        print_json(head | {"data": rows})
    else:
        for alert in result.firing:
            print(f"{alert.alert}: {alert.sentence}{' (no data now)' if alert.identity in result.without_data else ''}")
            for label, value in alert.figures:
                print(f"    {label}: {value}")
            if alert.examples:
                print(f"    runs to look at: {', '.join(alert.examples)}")
    for name in result.recovered:
        out.say(f"over: {name}")
    for name in result.without_data:
        out.say(f"no data: {name.removesuffix(': ')}")
    out.say(f"{counted(len(plan.alerts), 'alert')}, {len(result.firing)} {noun(len(result.firing), 'fires', 'fire')}")
    for notice in result.lost:
        bad = ", ".join(d["target"] for d in notice["deliveries"] if d["state"] != "sent")
        out.error(f"'{notice['letter']['title']}' was not delivered to {bad}; see `polydoc-analytics schedule history`")
    for error in result.errors:
        out.error(error)
    return 3 if result.lost else 2 if result.errors else 1 if result.firing else 0


@command(alerts_app, "list")
def list_(
    *,
    where: opt.LakeChoice,
    printing: opt.JsonPrinting,
) -> None:
    """List the alerts of the settings, and since when they fire, as of the last check.

    Example: polydoc-analytics alerts list

    Example: polydoc-analytics alerts list --json
    """
    from polydoc_analytics.automation import plans
    from polydoc_analytics.automation.alerts import evaluate

    require_extra("schedule", "an alert")
    out = output_of(printing)
    settings = opt.configured(where.config)
    target, plan = opened_lake(where.lake, settings, out, must_exist=True), plans(settings)
    firing = evaluate.firing(target).values()
    rows: list[dict[str, Any]] = [
        {
            "alert": alert.name,
            "kind": alert.kind,
            "deliver": list(alert.deliver),
            "firing": [{"key": row["key"], "since": row["since"]} for row in firing if row["alert"] == alert.name],
        }
        for alert in plan.alerts.values()
    ]
    if out.format == "json":
        print_json({"schema_version": 1, "report": "alerts list", "lake": target.place.shown, "data": rows})
        return
    for row in rows:
        fires = [f"{each['key']} since {each['since']}" for each in row["firing"]]
        print(f"{row['alert']} ({row['kind']}): {'; '.join(fires) or 'quiet'}")
