"""Single changes to the code that matters most, each of which some test must notice.

``just mutants`` makes each change in a copy of the package, runs the tests of its subject until the first failure, and
prints the changes that no test noticed. ``just mutants zones`` tries those of one subject.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "polydoc_analytics"


@dataclass(frozen=True)
class Subject:
    """Changes to one subject: the files, the tests that must notice, and (file, before, after) of each change.

    ``equivalent`` explains the changes that make no difference, by what they put in.
    """

    name: str
    tests: tuple[str, ...]
    changes: tuple[tuple[str, str, str], ...]
    equivalent: tuple[tuple[str, str], ...] = ()


ZONES, PERIODS = "model/timezones.py", "model/periods.py"
MERGING, RULE, WHOLES = "ingest/dedup.py", "ingest/merge_rule.py", "views/render.py"
NEARBY = "ingest/nearby.py"
USAGE, CONSERVATION, QUALITY = "views/usage.sql", "views/conservation.sql", "views/data_quality.sql"
COVERAGE, DURATIONS, LAKE_MERGE = "views/coverage.sql", "views/durations.sql", "lake/merge.sql"
WILSON, PLACES = "views/base/wilson_interval.sql", "views/base/repeated_places.sql"
JUDGING, SENDING, OUTBOX = (
    "automation/alerts/thresholds.py",
    "automation/delivery/send.py",
    "automation/delivery/outbox.py",
)
REQUESTS, REQUEST_FACTS, REQUEST_RATES = (
    "views/requests.sql",
    "views/base/all_request_facts.sql",
    "views/request_rates.sql",
)
LATE_SUCCESSES = "from late_neighbours\n    where succeeded_at > next_created_at"
DECOMPOSITION, EXPLAIN, EXPLANATION = "query/decomposition.py", "query/explain.py", "query/explanation.py"
FORECAST, OUTLOOK, OUTLOOK_WORDS = "query/forecast.py", "query/outlook_forecast.py", "query/outlook.py"
PLANNING, LEDGER = "automation/schedule/due.py", "lake/ledger.py"

SUBJECTS = (
    Subject(
        "zones",
        ("model/test_timezones.py", "views/test_views.py", "whole_program/test_laws.py"),
        (
            (ZONES, "if until is None or first < until:", "if until is None or first <= until:"),
            (ZONES, "first = max(at, midnight - offset)", "first = midnight - offset"),
            (ZONES, "at = midnight - DAY_US", "at = midnight"),
            (ZONES, "case when {basis} < {pieces", "case when {basis} <= {pieces"),
            (ZONES, "key=lambda s: _offset(tz, s) != offset)", "key=lambda s: _offset(tz, s) == offset)"),
            (ZONES, "pieces.append((following * _SECOND_US", "pieces.append(((following + 1) * _SECOND_US"),
            (ZONES, "max(following, _RULES_ONLY_S) + _TWO_YEARS_S", "following + _DAY_S"),
            (ZONES, "// _DAY_S + EPOCH.toordinal()", "// _DAY_S + 1 + EPOCH.toordinal()"),
        ),
    ),
    Subject(
        "periods",
        ("model/test_periods.py",),
        (
            (PERIODS, "return day - timedelta(days=day.weekday())", "return day - timedelta(days=day.isoweekday())"),
            (PERIODS, "day.month - (day.month - 1) % 3", "day.month - day.month % 3"),
            (PERIODS, '3 * part["quarter"] - 2', '3 * part["quarter"] - 1'),
            (PERIODS, "today - timedelta(days=days - 1)", "today - timedelta(days=days)"),
            (PERIODS, "count * (7 if", "count * (5 if"),
            (PERIODS, "upper <= lower:", "upper < lower:"),
            (PERIODS, "value + timedelta(days=1), tz))", "value, tz))"),
            (PERIODS, "if start_of_day(day, tz) >= since)", "if start_of_day(day, tz) > since)"),
            (PERIODS, "if start_of_day(day, tz) <= until)", "if start_of_day(day, tz) < until)"),
            (PERIODS, '"quarter": 3, "year": 12', '"quarter": 4, "year": 12'),
            (PERIODS, "if start == stop:", "if start > stop:"),
            ("errors.py", "difflib.get_close_matches(str(wrong).lower()", "difflib.get_close_matches(str(wrong)"),
        ),
    ),
    Subject(
        "merging",
        ("whole_program/test_laws.py", "ingest/test_dedup.py"),
        (
            (RULE, "(status <> 'Running') desc,", "(status <> 'Running') asc,"),
            (RULE, "finished_at desc nulls last,", "finished_at asc nulls last,"),
            (RULE, "(status = 'Succeeded') desc,", "(status = 'Succeeded') asc,"),
            (RULE, "created_at desc,", "created_at asc,"),
            (RULE, "credits desc nulls last,", "credits asc nulls last,"),
            (RULE, "credits desc nulls last,", "credits desc nulls first,"),
            (RULE, "output_tokens desc nulls last,", "output_tokens asc nulls last,"),
            (RULE, "output_tokens desc nulls last,", "output_tokens desc nulls first,"),
            (RULE, "input_tokens desc nulls last,", "input_tokens asc nulls last,"),
            (RULE, "output_file_id desc nulls last,", "output_file_id asc nulls last,"),
            (RULE, "output_file_id desc nulls last,", "output_file_id desc nulls first,"),
            (RULE, "account_id desc,", "account_id asc,"),
            (RULE, "target_language desc,", "target_language asc,"),
            (RULE, "input_file_id desc\n", "input_file_id asc\n"),
            (RULE, 'run["status"] != "Running",', 'run["status"] == "Running",'),
            (RULE, 'run["status"] == "Succeeded",', 'run["status"] != "Succeeded",'),
            (RULE, "(value is not None, value) for", "(value is None, value) for"),
            (MERGING, "member[1] is None))", "member[1] is not None))"),
            (MERGING, "self._insert(piece[piece != 0])", "self._insert(piece[piece == 0])"),
            (MERGING, "is_first = np.ones(len(hashes), bool)", "is_first = np.zeros(len(hashes), bool)"),
            (MERGING, "is_new[left[is_empty & is_stored]] = True", "is_new[left[is_stored]] = True"),
            (MERGING, "self._spilled.append(path)", "pass"),
            (MERGING, "filter (where status <> 'Running') > 1", "> 1"),
            (MERGING, "hash(id) % {passes} = {part}", "hash(id) % {passes} >= {part}"),
            (MERGING, "where place = 1 and (is_held or is_conflict)", "where is_held or is_conflict"),
            (MERGING, "is_known[left[is_here]] = True", "is_known[left] = True"),
            (MERGING, "bool(is_seen.any())", "False"),
            (MERGING, "~(is_seen | is_repeat)", "~is_seen"),
            (MERGING, "is_repeat[order[:-1]] |=", "is_repeat[order[1:]] |="),
            (NEARBY, 'is_same["id"] & (', "("),
            (NEARBY, "(is_state | np.logical_and.reduce(list(is_same.values())))", "True"),
            (NEARBY, "which & is_wanted[", "is_wanted["),
            (NEARBY, "[self._end_is_passed_on, is_passed_on]", "[self._end_is_passed_on | True, is_passed_on]"),
            (NEARBY, ", both_null)", ", pc.invert(both_null))"),
        ),
    ),
    Subject(
        "views",
        (
            "views/test_views.py",
            "views/test_data_quality.py",
            "whole_program/test_laws.py",
            "whole_program/test_llmperf.py",
        ),
        (
            (WHOLES, '"weeks": "usage_weekly"', '"weeks": "usage_daily"'),
            (WHOLES, '"months": "usage_monthly"', '"months": "usage_weekly"'),
            (WHOLES, '"languages": "usage_by_language"', '"languages": "usage_by_account"'),
            (CONSERVATION, "parts is not distinct from whole as holds", "parts is not null as holds"),
            (CONSERVATION, "succeeded_runs + failed_runs + running_runs", "runs"),
            (PLACES, "where nth = 2", "where nth = 3"),
            (QUALITY, "status = 'Succeeded' and credits > 0 and repeated_places", "credits > 0 and repeated_places"),
            (QUALITY, "having count(*) > 1", "having count(*) > 2"),
            (USAGE, "where status = 'Failed') as credits_on", "where status <> 'Running') as credits_on"),
            (USAGE, "input_tokens is not null and output_tokens is not null as", "input_tokens is not null as"),
            (USAGE, "status <> 'Running' and credits is null", "credits is null"),
            (USAGE, "case when status = 'Succeeded' then duration_us end", "duration_us"),
            (USAGE, "when runs = 0 then 0 else credits end", "when runs = 0 then null else credits end"),
            (USAGE, "when failed_runs = 0 then 0 else", "when runs = 0 then 0 else"),
            (WILSON, "1.959963984540054", "1.96"),
            (
                USAGE,
                "coalesce(input_tokens + output_tokens, input_tokens, output_tokens)",
                "input_tokens + output_tokens",
            ),
            (USAGE, "[0.5, 0.9, 0.95, 0.99]", "[0.5, 0.9, 0.94, 0.99]"),
            (USAGE, "nullif(timed_runs, 0)", "nullif(runs, 0)"),
            (COVERAGE, "where status <> 'Running'", ""),
            (DURATIONS, "min(duration_us)", "max(duration_us)"),
            (DURATIONS, "[0.5, 0.9, 0.95, 0.99]", "[0.5, 0.9, 0.95, 0.98]"),
        ),
    ),
    Subject(
        "requests",
        ("views/test_requests.py",),
        (
            (
                REQUEST_FACTS,
                "greatest(created_at, coalesce(finished_at, created_at))",
                "coalesce(finished_at, created_at)",
            ),
            (
                REQUEST_FACTS,
                "coalesce(finished_at, created_at)) end as succeeded_at",
                "finished_at) end as succeeded_at",
            ),
            (REQUEST_FACTS, "previous_succeeded_at <= created_at", "previous_succeeded_at < created_at"),
            (REQUEST_FACTS, "where succeeded_at > next_created_at", "where false"),
            (REQUEST_FACTS, LATE_SUCCESSES, LATE_SUCCESSES.replace(">", ">=")),
            (REQUEST_FACTS, LATE_SUCCESSES, "from late_neighbours\n    where false"),
            (REQUEST_FACTS, "        earlier_successes + 1,", "        1,"),
            (REQUEST_FACTS, "when nth_run = 1 or previous_succeeded_at is not null then", "when nth_run = 1 then"),
            (REQUEST_FACTS, "        nth_run,\n        earlier", "        1,\n        earlier"),
            (REQUEST_FACTS, "is_creation, id\n        ) as is_after", "is_creation desc, id\n        ) as is_after"),
            (REQUEST_FACTS, "is_creation, id\n        ) as nth", "is_creation, id desc\n        ) as nth"),
            (REQUEST_FACTS, "is_creation, id\n        ) as is_after", "is_creation, id desc\n        ) as is_after"),
            (REQUEST_FACTS, "or is_after_success = 1", ""),
            (REQUEST_FACTS, "or is_after_creation = 0", ""),
            (PLACES, "where nth = 2", "where nth = 3"),
            (REQUEST_FACTS, "where {{is_first_in_interval}}", "where true"),
            (REQUEST_FACTS, "    and {{is_created_in_interval}}\n", ""),
            (REQUEST_FACTS, "earlier_success_nth >= start_nth", "earlier_success_nth > start_nth"),
            (REQUEST_FACTS, "earlier_success_nth >= start_nth", "earlier_success_nth is not null"),
            (REQUEST_FACTS, "failure_nth < success_nth", "failure_nth > success_nth"),
            (REQUEST_FACTS, "failure_nth < success_nth", "failure_nth is not null"),
            (REQUEST_FACTS, "min(succeeded_at) as succeeded_at", "max(succeeded_at) as succeeded_at"),
            (REQUEST_FACTS, "case when is_start = 1 and status = 'Succeeded'", "case when status = 'Succeeded'"),
            (REQUEST_FACTS, "- epoch_us(created_at), 0), 0) end", "- epoch_us(created_at), 0), 1) end"),
            (REQUEST_FACTS, "    case when status = 'Failed' then credits end,\n    null", "    null,\n    null"),
            (REQUESTS, "when running_runs > 0 then 'running'", "when running_runs > 1 then 'running'"),
            (REQUESTS, "recoveries = 1 as", "failed_attempts > 0 as"),
            (REQUESTS, "request > 1 as is_repeat", "request > 2 as is_repeat"),
            (REQUESTS, "failed_attempts = 0 then 0 else", "attempts = 0 then 0 else"),
            (REQUESTS, "succeeded_runs > 0 then succeeded_runs - 1", "succeeded_runs > 1 then succeeded_runs"),
            (REQUESTS, "succeeded_runs > 1 then extra_credits else 0", "succeeded_runs > 0 then extra_credits else 0"),
            (REQUEST_RATES, "(where succeeded_runs = 0 and running_runs = 0)", "(where succeeded_runs = 0)"),
            (REQUEST_RATES, "(where request > 1) as", "(where request >= 1) as"),
            (REQUEST_RATES, "nullif(succeeded_requests + failed_requests, 0)", "nullif(requests, 0)"),
            (REQUEST_RATES, "nullif(recovered_requests + failed_requests, 0)", "nullif(requests, 0)"),
            (REQUEST_RATES, "[0.5, 0.95]", "[0.5, 0.9]"),
            (REQUEST_RATES, "nullif(timed_requests, 0)", "nullif(requests, 0)"),
            (REQUEST_RATES, "when requests = 0 then 0 else credits", "when requests = 0 then null else credits"),
            (REQUEST_RATES, "coalesce(failed_attempts, 0) = 0 then 0", "coalesce(requests, 0) = 0 then 0"),
            (REQUEST_RATES, "coalesce(extra_runs, 0) = 0 then 0", "coalesce(requests, 0) = 0 then 0"),
            (REQUEST_RATES, "requests - succeeded_requests - failed_requests", "requests - succeeded_requests"),
            (CONSERVATION, "select coalesce(sum(attempts), 0)", "select coalesce(max(attempts), 0)"),
        ),
        (
            (
                "finished_at) end as succeeded_at",
                "makes no difference in DuckDB, whose greatest passes over nulls; other engines have not all of them",
            ),
        ),
    ),
    Subject(
        "explain",
        ("query/test_explain.py",),
        (
            (DECOMPOSITION, "return -_log_ratio(b, a)", "return _log_ratio(b, a)"),
            (DECOMPOSITION, "math.log1p((a - b) / b)", "(a - b) / b"),
            (DECOMPOSITION, "float(a) if a == b else", ""),
            (DECOMPOSITION, "now.priced_runs * runs_before, before", "now.priced_runs * runs_now, before"),
            (DECOMPOSITION, "now.value * before.tokens", "now.value * before.priced_runs"),
            (DECOMPOSITION, "one.value) > 0 for one", "one.value) >= 0 for one"),
            (DECOMPOSITION, "for one in sides):", "for one in sides[:1]):"),
            (DECOMPOSITION, 'if cell.account_id in accounts_before else "new_account"', 'if False else "new_account"'),
            (DECOMPOSITION, 'if cell.account_id in accounts_now else "lost_account"', 'if True else "lost_account"'),
            (DECOMPOSITION, "for cell in common)\n    runs_now", "for cell in ordered)\n    runs_now"),
            (DECOMPOSITION, "now.unpriced - before.unpriced", "now.unpriced"),
            (
                DECOMPOSITION,
                "key=lambda at: (floors[at] - signed[at], at)",
                "key=lambda at: (signed[at] - floors[at], at)",
            ),
            (DECOMPOSITION, "for at in places[:left]:", "for at in places[: left + 1]:"),
            (DECOMPOSITION, "return 1 if leading > 0 else -1", "return 1"),
            (DECOMPOSITION, "[sign * (number + each) for", "[sign * number for"),
            (DECOMPOSITION, "math.fsum(cell", "sum(cell"),
            (EXPLAIN, "and output_tokens is not null", ""),
            (EXPLAIN, '"total_tokens": "total_tokens is not null"', '"total_tokens": "input_tokens is not null"'),
            (EXPLAIN, "where not ({priced})", "where {priced}"),
            (EXPLAIN, "if known or not runs else None", "if known else None"),
            (EXPLAIN, "status <> 'Running' and {value} is null", "{value} is null"),
            (EXPLAIN, 'if not row["known_runs"]', 'if row["known_runs"]'),
            (EXPLANATION, "if present and present <= self.unknown_cells", "if present & self.unknown_cells"),
            (EXPLANATION, "abs(one[1]) >= _LEAST_PART * greatest", "abs(one[1]) > 0"),
            (EXPLANATION, "[value < 0]", "[value > 0]"),
            (EXPLANATION, "causes.sort(key=lambda one: -abs(one[1]))", "causes.sort(key=lambda one: one[1])"),
            (EXPLANATION, "if before > 0 else", "if True else"),
            (EXPLANATION, "if side.unknown_runs\n", "if True\n"),
        ),
    ),
    Subject(
        "outlook",
        ("query/test_outlook.py",),
        (
            (FORECAST, "if len(history) < HISTORY_DAYS", "if len(history) <= HISTORY_DAYS"),
            (FORECAST, "means[len(history) + at % 7]", "means[len(history) + (at + 1) % 7]"),
            (FORECAST, "if None in ahead:", "if not ahead:"),
            (FORECAST, "if len(errors) < _LEAST_SPANS * days_ahead:", "if len(errors) < 1:"),
            (FORECAST, "- _WIDENED * days_ahead / len(errors)", ""),
            (FORECAST, "min(low, total), max(high, total)", "low, high"),
            (FORECAST, "- (leaving or 0)", ""),
            (FORECAST, "- (leaving is not None)", ""),
            (FORECAST, "unknown[origin + days_ahead] > unknown[origin]", "False"),
            (FORECAST, "+ math.fsum(known[:rest])", ""),
            (FORECAST, "if expected > 0:", "if True:"),
            (FORECAST, "len(history) - days_ahead + 1):", "len(history) - days_ahead):"),
            (FORECAST, "(place - at) * (", "0 * ("),
            (OUTLOOK, 'by = "account" if budgets is not None else by', "pass"),
            (OUTLOOK, "max(value, today_so_far)", "value"),
            (OUTLOOK, "if day > today else", "if day >= today else"),
            (OUTLOOK, "so_far - today_so_far, bottom", "so_far, bottom"),
            (OUTLOOK, "low if bottom is None else max(low, bottom)", "low"),
            (OUTLOOK, "if used >= budget:", "if used > budget:"),
            (OUTLOOK, "if begin <= first + _DAY else None", ""),
            (OUTLOOK, "None if amounts and not known else", ""),
            (OUTLOOK, "and ending.budget is None", ""),
            (OUTLOOK, "over.since <= db.now < over.until:\n        raise", "db.now < over.until:\n        raise"),
            (OUTLOOK, "not 0 <= budget < math.inf", "not budget < math.inf"),
            (OUTLOOK, "in budgets or ():", "in ():"),
            (OUTLOOK, "(last - today).days + 1)", "(last - today).days)"),
            (OUTLOOK_WORDS, "self.before <= 0", "self.before < 0"),
            (OUTLOOK_WORDS, "ending.so_far >= ending.budget", "ending.so_far > ending.budget"),
            (OUTLOOK_WORDS, 'more = "more" if ending.change >= 0', 'more = "more" if ending.change < 0'),
        ),
    ),
    Subject(
        "thresholds",
        ("automation/test_thresholds.py", "automation/test_alerts.py"),
        (
            (JUDGING, "value > above if above", "value >= above if above"),
            (JUDGING, "else value < below", "else value <= below"),
            (JUDGING, "row[counted_by(row)] < least_runs", "row[counted_by(row)] <= least_runs"),
            (JUDGING, "finished < max(least_runs, 1)", "finished <= max(least_runs, 1)"),
            (JUDGING, "tail(failed, finished, above) < ONE_SIDED", "True"),
            (JUDGING, 'bool(row["failure_rate_low"] > above)', 'bool(row["failure_rate"] > above)'),
            (JUDGING, "tail(finished - failed, finished, 1 - below)", "tail(failed, finished, below)"),
            (JUDGING, "total += term\n        term *=", "term *="),
        ),
    ),
    Subject(
        "deliveries",
        ("automation/test_delivery.py", "automation/test_scheduler.py"),
        (
            (SENDING, 'if delivery.state == "sending":', 'if delivery.state == "never":'),
            (
                SENDING,
                'delivery.state = "uncertain" if "uncertain" in outcomes',
                'delivery.state = "failed" if not outcomes',
            ),
            (SENDING, "if len(outcomes) < schedule.attempts:", "if len(outcomes) <= schedule.attempts:"),
            (SENDING, "2 ** min(tries - 1, 20)", "2 ** min(tries, 20)"),
            (SENDING, "max(back_off(schedule, len(outcomes)), ", "min(back_off(schedule, len(outcomes)), "),
            (SENDING, 'if "sent" in outcomes:', 'if outcomes and outcomes[-1] == "sent" and len(outcomes) == 1:'),
            (SENDING, 'found = Outcome("uncertain", str(error))', 'found = Outcome("failed", str(error))'),
            (OUTBOX, "if any(one.is_open for one in self._to):", "if all(one.is_open for one in self._to):"),
            (OUTBOX, 'or store.read(f"{_DONE}/{identity}.json")', ""),
        ),
    ),
    Subject(
        "schedules",
        ("automation/test_scheduler.py", "automation/test_schedule_year.py"),
        (
            (PLANNING, "from_us(first - 1)", "from_us(first)"),
            (PLANNING, "new[: -plan.catch_up]", "new[: -plan.catch_up - 1]"),
            (PLANNING, "return now - _FIRST_SEEN", "return now"),
        ),
    ),
    Subject(
        "lake",
        ("lake/test_lake.py", "lake/test_laws.py", "lake/test_maintenance.py", "lake/test_spark_load.py"),
        (
            (LAKE_MERGE, "past.is_corrected and not", "not"),
            (LAKE_MERGE, "and (place = 1 or {{is_authority}})", "and place = 1"),
            (LAKE_MERGE, "{{winner_order}}, is_staged) as place", "{{winner_order}}) as place"),
            (LAKE_MERGE, "having bool_and(status <> 'Running')", ""),
            (LAKE_MERGE, "having count(*) > 1", "having count(*) > 2"),
            (LEDGER, "if row.committed_at <= instant", "if row.committed_at < instant"),
            (LEDGER, "later.number > row.number", "later.number >= row.number"),
            (LEDGER, "from_us(next_day - 1)", "from_us(next_day)"),
        ),
        (
            (
                "{{winner_order}}) as place",
                "makes no difference: the order names every column but id, so two rows that differ never tie",
            ),
        ),
    ),
)


def _changed(folder: Path, file: str, before: str, after: str) -> Path:
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / PACKAGE / file
    text = path.read_text("utf-8")
    if before not in text:
        raise SystemExit(f"{file}: does not hold {before!r} any more; put the change right in tests/support/mutants.py")
    path.write_text(text.replace(before, after, 1), "utf-8")
    return folder


def _is_noticed(subject: Subject, change: tuple[str, str, str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        changed = _changed(Path(folder), *change)
        tests = [str(path) for name in subject.tests if (path := ROOT / "tests" / name).exists()]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
        command += ["-p", "support.without_shrinking", *tests]
        # Without the safe path, -m puts the current folder first, and the tests would import the package unchanged.
        path = os.pathsep.join([str(changed), str(ROOT / "tests")])
        environ = os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(f"{change}: the tests did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.returncode == 1


def _tried(subject: Subject) -> Iterator[tuple[tuple[str, str, str], bool]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(
            subject.changes, pool.map(lambda change: _is_noticed(subject, change), subject.changes), strict=True
        )


def main(chosen: list[str]) -> int:
    """Try the changes of the chosen subjects, print the survivors, and return 1 if one has no explanation."""
    unexplained = 0
    for subject in SUBJECTS:
        if chosen and subject.name not in chosen:
            continue
        started = time.monotonic()
        survivors = [change for change, is_noticed in _tried(subject) if not is_noticed]
        seconds = time.monotonic() - started
        noticed = len(subject.changes) - len(survivors)
        print(f"{subject.name}: {noticed} of {len(subject.changes)} noticed, {seconds:.0f} s", flush=True)
        reasons = dict(subject.equivalent)
        for file, before, after in survivors:
            print(f"  {file}: {before.strip()!r} -> {after.strip()!r}: {reasons.get(after, 'NOT NOTICED')}")
            unexplained += after not in reasons
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
