"""What docs/scheduling.md sets up is done, with servers of this machine in the place of those that it names."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from aiosmtpd.smtp import AuthResult
from cronsim import CronSim
from jsonschema import Draft202012Validator
from support import documents
from support.documents import ROOT
from support.paths import SAMPLE
from support.receivers import Hook, Mailbox, hook, mailbox

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.config.json_schema import shipped

PAGE = "docs/scheduling.md"
pytestmark = pytest.mark.skipif(not (ROOT / PAGE).exists(), reason="the documentation is not beside these tests")
FIRST_OF_NOVEMBER = "2026-11-01T07:00Z"


def blocks(language: str) -> list[str]:
    return [block.text for block in documents.blocks(PAGE, language)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of the sample, which each test has a copy of."""
    path = tmp_path_factory.mktemp("sample") / "lake"
    pda.Lake(path).ingest(SAMPLE)
    return path


@pytest.fixture(scope="module")
def accounts() -> list[str]:
    return pda.load(SAMPLE).runs["account_id"].unique().sort().to_list()


@pytest.fixture
def folder(lake: Path, accounts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(lake, "lake")
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "runs.ndjson").write_bytes(SAMPLE.read_bytes())
    written = datetime(2026, 11, 1, 6, 30, tzinfo=UTC).timestamp()
    os.utime(tmp_path / "exports" / "runs.ndjson", (written, written))
    (tmp_path / "accounts.csv").write_text("account_id,name\n" + "".join(f"{one},Firm {one[:4]}\n" for one in accounts))
    (tmp_path / "contacts.csv").write_text(f"account_id,email\n{accounts[0]},first@example.com\n")
    return tmp_path


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A server that wants STARTTLS and a password, and vouches for itself by an authority of its own."""
    monkeypatch.setenv("SMTP_PASSWORD", "canary-pass")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)

    def authenticate(*given: Any) -> AuthResult:
        return AuthResult(success=given[-1].password == b"canary-pass", handled=False)

    with mailbox(tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate) as box:
        yield box


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("BOOKS_SECRET", "canary-key")
    with hook() as server:
        for name in ("SLACK_URL", "BOOKS_URL"):
            monkeypatch.setenv(name, server.url)
        yield server


@pytest.fixture
def bucket(s3_client: Any) -> Any:
    s3_client.create_bucket(Bucket="reports")
    return s3_client


def written(text: str, box: Mailbox | None = None) -> None:
    if box is not None:
        here = f'host = "127.0.0.1"\nport = {box.controller.port}\nca_file = "ca.pem"'
        text = text.replace('host = "smtp.example.com"', here)
    Path("polydoc-analytics.toml").write_text(text, "utf-8")
    validator = Draft202012Validator(json.loads(shipped()))
    assert not list(validator.iter_errors(tomllib.loads(text)))


def history(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["schedule", "history", "--json"]) == 0
    return {one["name"]: one["data"] for one in json.loads(capsys.readouterr().out)["sections"]}


def test_the_weekly_overview_goes_to_operations(
    folder: Path, mail: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    written(blocks("toml")[0], mail)
    assert run(["config", "check"]) == 0
    assert run(["schedule", "due", "--now", "2026-11-02T07:00Z"]) == 0
    [message] = mail.messages
    assert message["To"] == "operations@example.com"
    assert {part.get_filename() for part in message.iter_attachments()} == {
        "weekly_2026-W44.html",
        "weekly_2026-W44.pdf",
    }
    pictures = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert len(pictures) == 2
    assert pictures[0].get_content().startswith(b"\x89PNG")
    assert "Runs" in message.get_body(("html",)).get_content()
    assert (folder / "reports" / "weekly" / "2026-W44" / "weekly_2026-W44.pdf").read_bytes()[:4] == b"%PDF"
    assert history(capsys)["jobs"][0]["state"] == "sent"


def test_the_statements_go_to_the_customers_the_bucket_and_the_books(
    folder: Path, mail: Mailbox, web: Hook, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    written(blocks("toml")[1], mail)
    assert run(["config", "check"]) == 0
    assert run(["schedule", "due", "--now", FIRST_OF_NOVEMBER]) == 0
    assert mail.receivers == ["first@example.com"]
    keys = [one["Key"] for one in bucket.list_objects_v2(Bucket="reports", Prefix="statements/")["Contents"]]
    assert len(keys) == 2 * 13  # two forms, twelve accounts and the index
    assert len(web.requests) == 1
    assert "canary" not in json.dumps(history(capsys))


def test_the_alerts_are_checked_and_told(folder: Path, web: Hook, capsys: pytest.CaptureFixture[str]) -> None:
    text = blocks("toml")[2]
    written(text)
    assert run(["config", "check"]) == 0
    capsys.readouterr()
    assert run(["alerts", "check", "--now", "2026-10-20T08:00Z", "--json"]) == 1
    firing = {one["alert"] for one in json.loads(capsys.readouterr().out)["data"]}
    assert "silent" in firing  # nothing was ever synced here
    assert {one["kind"] for one in tomllib.loads(text)["alerts"] if "kind" in one} == {
        "change", "budget", "running", "silent", "quarantine",
    }  # fmt: skip
    assert len(web.requests) == 1  # all that began, in one message
    assert run(["schedule", "due", "--now", "2026-10-20T08:05Z"]) == 0
    assert len(web.requests) == 1


def test_there_are_three_configurations_and_each_is_run_above() -> None:
    assert len(blocks("toml")) == 3


def called(command: str, folder: Path) -> None:
    """Run a command of an example, its settings in the folder of the test."""
    name, *arguments = shlex.split(command)
    assert name.rpartition("/")[2] == "polydoc-analytics"
    here = ["polydoc-analytics.toml" if one.endswith(".toml") else one for one in arguments]
    assert run([*here, "--now", "2026-11-02T07:00Z"]) == 0


@pytest.fixture
def small(folder: Path) -> Path:
    report = '[[reports]]\nname = "w"\nkind = "quality"\nschedule = "weekly"\nperiod = "last-week"\noutput = "out"\n'
    written('lake = "lake"\n' + report)
    return folder


def on_path(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Put a command polydoc-analytics on the PATH that is this script."""
    (folder / "bin").mkdir()
    command = folder / "bin" / "polydoc-analytics"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.skipif(not shutil.which("sh"), reason="there is no shell that cron could call")
def test_the_line_for_cron_hands_the_secrets_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = blocks("crontab")
    on_path(monkeypatch, tmp_path, 'echo "$@: $SMTP_PASSWORD"')
    monkeypatch.delenv("SMTP_PASSWORD", raising=False)
    (tmp_path / "secrets.env").write_text("SMTP_PASSWORD='two words'\n")
    command = line.split(None, 5)[5].replace("/srv/reports", str(tmp_path))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "schedule due --quiet: two words\n"


def test_the_line_for_cron_does_what_is_due(small: Path) -> None:
    [line] = blocks("crontab")
    parts = line.split(None, 5)
    next(CronSim(" ".join(parts[:5]), datetime(2026, 1, 1, tzinfo=UTC)))
    called(parts[5].rpartition("&&")[2].strip(), small)
    assert list((small / "out").iterdir())


def test_the_units_for_systemd_do_what_is_due(small: Path) -> None:
    units = []
    for text in blocks("ini"):
        unit = configparser.ConfigParser(interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(text)
        units.append(unit)
    service, timer = units
    assert service["Service"]["Type"] == "oneshot"
    assert timer["Timer"]["OnCalendar"] == "*:0/5"
    called(service["Service"]["ExecStart"], small)
    assert list((small / "out").iterdir())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_units_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(monkeypatch, tmp_path, "exit 0")
    names = []
    for text in blocks("ini"):
        name, unit = text.partition("\n")[0].rpartition("/")[2], tmp_path / text.partition("\n")[0].rpartition("/")[2]
        unit.write_text(text.replace("/usr/local/bin/", f"{tmp_path}/bin/"))
        names.append(str(unit))
        assert name.startswith("polydoc-reports.")
    done = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_cron_job_for_kubernetes_is_what_its_schema_asks_for() -> None:
    """Skipped where the package kubernetes-validate, which has Kubernetes' own schemas, is not installed."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    [text] = blocks("yaml")
    kubernetes_validate.validate(yaml.safe_load(text), kubernetes_validate.latest_version(), strict=True)


def test_the_image_is_built_from_the_wheel_with_extras_that_there_are() -> None:
    """Only read here: a build needs a daemon and an image to start from."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    instructions = [line.split(None, 1) for line in lines if line[:1].isalpha()]
    assert [name for name, _ in instructions] == ["FROM", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT", "CMD"]
    given = dict(instructions)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.search(r"\$wheel\[([\w,]+)\]", given["RUN"])
    assert extras
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])
    assert json.loads(given["ENTRYPOINT"]) == list(project["scripts"])
    assert (ROOT / ".dockerignore").read_text().split() == ["*", "!" + given["COPY"].split()[0]]
    # Kubernetes compares a user by number with `runAsNonRoot`.
    assert int(given["USER"]) > 0
    [pod] = [job["spec"]["jobTemplate"]["spec"]["template"]["spec"] for job in map(yaml.safe_load, blocks("yaml"))]
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"docker build --tag {pod['containers'][0]['image']} ." in (ROOT / PAGE).read_text()


def test_the_cron_job_for_kubernetes_does_what_is_due(small: Path) -> None:
    [text] = blocks("yaml")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"], job["spec"]["concurrencyPolicy"]) == ("batch/v1", "CronJob", "Forbid")
    next(CronSim(job["spec"]["schedule"], datetime(2026, 1, 1, tzinfo=UTC)))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert [one["name"] for one in container["volumeMounts"]] == [one["name"] for one in pod["volumes"]]
    called(shlex.join(container["command"]), small)
    assert list((small / "out").iterdir())


def test_the_dag_for_airflow_is_one_to_airflow() -> None:
    """Skipped where Airflow is not installed, which is as large as all the rest."""
    pytest.importorskip("airflow.sdk", reason="Airflow is not installed")
    pytest.importorskip("airflow.providers.standard.operators.bash", reason="its operators are not installed")
    [code] = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, "dag.py", "exec"), names)
    assert (names["dag"].dag_id, names["dag"].task_ids) == ("polydoc_reports", ["due"])


def test_the_dag_for_airflow_calls_what_is_due(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on stand-ins for Airflow's two classes: Airflow itself would be as large as all the rest."""
    operators: list[dict[str, Any]] = []

    class DAG:
        def __init__(
            self, name: str, *, schedule: str, start_date: datetime, catchup: bool, max_active_runs: int
        ) -> None:
            assert (catchup, max_active_runs) == (False, 1)
            next(CronSim(schedule, start_date.replace(tzinfo=UTC)))

        def __enter__(self) -> DAG:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    parts = ["airflow", "providers", "standard", "operators", "bash"]
    for at in range(len(parts)):
        name = ".".join(parts[: at + 1])
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "airflow.sdk", types.ModuleType("airflow.sdk"))
    sys.modules["airflow.sdk"].DAG = DAG  # type: ignore[attr-defined]
    sys.modules[".".join(parts)].BashOperator = lambda **given: operators.append(given)  # type: ignore[attr-defined]
    [code] = blocks("python")
    exec(compile(code, "dag.py", "exec"), {})
    [operator] = operators
    called(operator["bash_command"], small)
    assert list((small / "out").iterdir())
