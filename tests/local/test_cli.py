"""The command line against a live stage: what a person and a script get."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from local.cli.app import run
from tests.support.stage import Stage, environment

GREET = """
name: cli-greet
input_schema: {type: object, required: [name], properties: {name: {type: string}}}
nodes:
  - {id: upper, type: transform, config: {output: "{% $uppercase($input.name) %}"}}
  - {id: who, type: condition, config: {cases: [{case: ada, when: "{% $upper = 'ADA' %}"}], default: other}}
  - {id: first, type: transform, config: {output: "{% 'Hello again, ' & $upper %}"}}
  - {id: next, type: transform, config: {output: "{% 'Hello, ' & $upper %}"}}
edges: [{from: upper, to: who}, {from: who, to: first, case: ada}, {from: who, to: next, case: other}]
output: "{% $exists($first) ? $first : $next %}"
"""
BLOCKED = """
name: cli-blocked
nodes: [{id: call, type: webhook, config: {url: "http://127.0.0.1:1/"}}]
"""
SLOW = """
name: cli-slow
nodes: [{id: wait, type: delay, config: {seconds: 600}}]
"""


@pytest.fixture(scope="module")
def deployed(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the definitions, which are deployed."""
    folder = tmp_path_factory.mktemp("cli")
    for name, text in {"greet": GREET, "blocked": BLOCKED, "slow": SLOW}.items():
        (folder / f"{name}.yaml").write_text(text)
        assert run(["deploy", str(folder / f"{name}.yaml"), "--url", stage.url]) == 0
    return folder


class Cli:
    """Runs commands against the stage and keeps what they wrote."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url, self._capsys = url, capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._capsys.readouterr()
        code = run([*arguments, "--url", self._url])
        self.out, self.err = self._capsys.readouterr()
        assert "Traceback" not in self.err
        return code

    def lines(self) -> list[dict[str, object]]:
        return [orjson.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def cli(stage: Stage, deployed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("COLUMNS", "200")
    return Cli(stage.url, capsys)


def test_following_a_run_gives_progress_on_stderr_and_the_output_on_stdout(cli: Cli):
    assert cli("run", "cli-greet", "--input", '{"name": "Ada"}', "--follow") == 0

    assert orjson.loads(cli.out) == "Hello again, ADA"
    progress = cli.err.splitlines()
    assert any(line.startswith("  ✓ upper ") for line in progress)
    assert any(line.startswith("  ✓ who ") and line.endswith("  ada") for line in progress)
    assert any(line.startswith("  ↷ next ") and line.endswith("skipped") for line in progress)
    assert any(line.startswith("✓ succeeded in ") for line in progress)


def test_as_json_every_line_is_an_object_and_the_last_is_the_result(cli: Cli):
    assert cli("run", "cli-greet", "-i", '{"name": "Bob"}', "-f", "--json") == 0

    lines = cli.lines()
    assert {line["event"] for line in lines} == {"node", "execution", "result"}
    assert (lines[-1]["status"], lines[-1]["output"]) == ("succeeded", "Hello, BOB")


def test_a_run_that_is_not_followed_prints_its_id(cli: Cli):
    assert cli("run", "cli-greet", "-i", '{"name": "Ada"}') == 0
    execution_id = cli.out.strip()

    assert cli("execution", execution_id, "--json") == 0
    assert cli.lines()[0]["workflow_name"] == "cli-greet"


def test_the_same_key_starts_nothing_twice(cli: Cli):
    same = ["run", "cli-greet", "-i", '{"name": "Ada"}', "--idempotency-key", "cli-1", "--json"]
    assert cli(*same) == 0
    first = cli.lines()[0]
    assert cli(*same) == 0
    second = cli.lines()[0]

    assert first["execution_id"] == second["execution_id"]
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert cli("run", "cli-greet", "-i", '{"name": "Bob"}', "--idempotency-key", "cli-1") == 4
    assert "idempotency" in cli.err.lower()


def test_a_failed_run_is_1_and_says_why(cli: Cli):
    assert cli("run", "cli-blocked", "--follow") == 1

    assert cli.out == ""
    assert "✗ failed" in cli.err
    assert "AddressBlocked" in cli.err
    assert "errorMessage" not in cli.err


def test_input_that_breaks_the_schema_is_2_and_names_the_path(cli: Cli):
    assert cli("run", "cli-greet", "-i", '{"name": 7}', "--follow") == 2
    assert "input.name: error: " in cli.err


def test_a_definition_that_the_server_refuses_is_2_and_names_the_file(cli: Cli, tmp_path: Path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(GREET.replace("$input.name", "$nobody.name"))

    assert cli("deploy", str(bad)) == 2
    assert f"{bad}:nodes[0].config.output: error: " in cli.err
    assert "  fix: " in cli.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "no-such-workflow"],
        ["execution", "0199a2b3-0000-7000-8000-000000000000"],
        ["cancel", "not-an-id"],
        ["logs", "0199a2b3-0000-7000-8000-000000000000", "-f"],
        ["executions", "--workflow", "no-such-workflow"],
    ],
)
def test_what_is_not_there_is_4(cli: Cli, arguments: list[str]):
    assert cli(*arguments) == 4
    assert cli.err.startswith("error: There is no ")


def test_deploying_again_keeps_the_workflow_and_its_webhook(cli: Cli, deployed: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MILLRACE_WEBHOOK_SECRET", "s3cret-of-the-test")
    again = ["deploy", str(deployed / "greet.yaml"), "--webhook", "--verify", "github", "--json"]
    assert cli(*again) == 0
    first = cli.lines()[0]
    assert cli(*again) == 0
    second = cli.lines()[0]

    assert first["workflow"]["id"] == second["workflow"]["id"]
    assert first["trigger"]["webhook"]["url"] == second["trigger"]["webhook"]["url"]
    assert second["trigger"]["config"]["verification"] == {"scheme": "github"}
    assert "s3cret" not in cli.out


def test_a_draft_stays_a_draft(cli: Cli, tmp_path: Path):
    (tmp_path / "draft.yaml").write_text(GREET.replace("cli-greet", "cli-draft"))

    assert cli("deploy", str(tmp_path / "draft.yaml"), "--draft") == 0
    assert "cli-draft version 1 is draft" in cli.out
    assert cli("run", "cli-draft", "-i", '{"name": "Ada"}') == 4
    assert "workflow.inactive" in cli.err


def test_lists_in_a_pipe_are_lines_with_tabs(cli: Cli):
    assert cli("workflows") == 0
    header, *rows = [line.split("\t") for line in cli.out.splitlines()]
    assert header == ["NAME", "STATUS", "VERSION", "UPDATED", "ID"]
    assert "cli-slow" in {row[0] for row in rows}

    assert cli("run", "cli-blocked", "--follow") == 1
    assert cli("executions", "--workflow", "cli-blocked", "--status", "failed", "--limit", "1") == 0
    _, row = [line.split("\t") for line in cli.out.splitlines()]
    assert row[1:3] == ["cli-blocked v1", "failed"]


def test_a_long_list_says_how_to_go_on(cli: Cli):
    assert cli("workflows", "--limit", "1", "--json") == 0
    first = cli.lines()[0]["name"]
    assert cli("workflows", "--limit", "1") == 0
    cursor = cli.err.split("--cursor ")[1].strip()

    assert cli("workflows", "--limit", "1", "--json", "--cursor", cursor) == 0
    assert cli.lines()[0]["name"] != first


def test_logs_and_nodes_of_an_execution(cli: Cli):
    assert cli("run", "cli-blocked", "--follow", "--json") == 1
    execution_id = str(cli.lines()[-1]["id"])

    assert cli("logs", execution_id, "--follow", "--json") == 0
    lines = cli.lines()
    assert len({line["id"] for line in lines}) == len(lines)
    assert {line["execution_id"] for line in lines} == {execution_id}
    assert cli("logs", execution_id, "--level", "error", "--node", "call") == 0
    assert all(" ERROR " in line and " call " in line for line in cli.out.splitlines())
    assert cli.out
    assert cli("execution", execution_id) == 0
    assert "  ✗ call " in cli.out


def test_a_running_execution_is_cancelled(cli: Cli):
    assert cli("run", "cli-slow") == 0
    execution_id = cli.out.strip()

    assert cli("cancel", execution_id) == 0
    assert cli("logs", execution_id, "--follow") == 0  # returns because the execution has ended
    assert cli("execution", execution_id, "--json") == 0
    assert cli.lines()[0]["status"] == "cancelled"
    assert cli("cancel", execution_id) == 4


def test_ctrl_c_stops_following_and_not_the_execution(cli: Cli, stage: Stage):
    process = subprocess.Popen(
        [sys.executable, "-m", "local.cli", "run", "cli-slow", "--follow", "--url", stage.url],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(COLUMNS="200", MILLRACE_API_KEY=stage.key),
    )
    assert process.stderr is not None
    for line in process.stderr:  # until the node has begun
        if "wait" in line:
            break
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "Traceback" not in told
    assert "The execution goes on. Stop it: millrace cancel " in told
    execution_id = told.split("millrace cancel ")[1].split()[0]
    assert cli("cancel", execution_id) == 0


def test_triggers_are_added_listed_and_switched(cli: Cli, deployed: Path):
    file = deployed / "trigger.yaml"
    file.write_text("type: schedule\nconfig: {cron: '0 9 1 1 *', timezone: Asia/Tokyo}\n")

    assert cli("trigger", "preview", str(file), "--count", "1", "--json") == 0
    assert cli.lines()[0]["local_time"].endswith("-01-01T09:00:00+09:00")
    assert cli("trigger", "add", "cli-greet", str(file)) == 0
    trigger_id = cli.out.strip()
    assert cli("trigger", "next", trigger_id, "--count", "2") == 0
    assert cli.out.splitlines()[0] == "ASIA/TOKYO\tUTC"
    assert cli("trigger", "pause", trigger_id) == 0
    assert cli("trigger", "list", "cli-greet") == 0
    assert f"{trigger_id}\tschedule\tpaused\t0 9 1 1 * Asia/Tokyo" in cli.out
    file.write_text("cron: '0 9 * * *'\n")
    assert cli("trigger", "add", "cli-greet", str(file)) == 2
    assert cli("trigger", "next", "nope") == 4


def test_a_schedule_fires_in_a_running_stage(cli: Cli, deployed: Path):
    file = deployed / "now.yaml"
    file.write_text("type: schedule\nconfig: {rate: {value: 1, unit: days}, input: {name: clock}}\n")

    assert cli("trigger", "add", "cli-greet", str(file)) == 0

    assert started_by(cli, cli.out.strip(), 1) == 1


def test_a_poll_starts_what_is_new_in_a_running_stage(cli: Cli, deployed: Path):
    file = deployed / "poll.yaml"
    file.write_text(
        """
type: polling
config:
  interval_seconds: 10
  source: {type: tool, tool: csv.parse, arguments: {text: "id,name\\n1,Ada\\n2,Bob"}}
  detect: {by: ids, id: "{% $item.id %}"}
  first_poll: {policy: emit_all}
  input: {name: "{% $item.name %}"}
"""
    )

    assert cli("trigger", "add", "cli-greet", str(file)) == 0
    trigger_id = cli.out.strip()

    assert started_by(cli, trigger_id, 2) == 2
    assert cli("trigger", "state", trigger_id, "--json") == 0
    assert cli.lines()[0]["state"]["emitted"] == 2


def started_by(cli: Cli, trigger_id: str, wanted: int) -> int:
    """How many executions of cli-greet the trigger started, once they are as many as wanted or 20 s are over."""
    deadline = time.monotonic() + 20
    while True:
        assert cli("executions", "--workflow", "cli-greet", "--status", "succeeded", "--json") == 0
        count = sum((each["trigger"] or {}).get("id") == trigger_id for each in cli.lines())
        if count >= wanted or time.monotonic() > deadline:
            return count
        time.sleep(0.05)
