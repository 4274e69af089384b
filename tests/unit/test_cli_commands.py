"""The command line without a server: exit codes, messages, and that failures are words."""

import io
import socket
import sys
from pathlib import Path

import orjson
import pytest

from local.cli.app import run

GOOD = """
name: greet
nodes:
  - {id: hello, type: transform, config: {output: "{% 'Hello, ' & $input.name %}"}}
"""
BAD = """
name: greet
nodes:
  - {id: hello, type: transform, config: {output: "{% $nobody.name %}"}}
  - {id: other, type: transform, config: {outptu: 1}}
edges:
  - {from: hello, to: nowhere}
"""


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A terminal of a known width, without colours, in an empty folder."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("MILLRACE_URL", raising=False)
    monkeypatch.delenv("MILLRACE_WEBHOOK_SECRET", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def nowhere() -> str:
    """A loopback URL at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]):
    assert run(["--help"]) == 0

    shown = capsys.readouterr().out
    for command in ("up", "validate", "compile", "plan", "deploy", "run", "executions", "logs", "cancel", "workflows"):
        assert f"│ {command} " in shown
    assert "3 server unreachable" in shown


def test_version(capsys: pytest.CaptureFixture[str]):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("millrace ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run"],
        ["run", "x", "--nonsense"],
        ["executions", "--status", "done"],
        ["executions", "--limit", "0"],
        ["up", "--port", "70000"],
        ["up", "--once"],
    ],
)
def test_a_mistake_in_the_command_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_good_definition_validates(capsys: pytest.CaptureFixture[str]):
    Path("greet.yaml").write_text(GOOD)

    assert run(["validate", "greet.yaml"]) == 0
    assert capsys.readouterr().out.startswith("greet.yaml: ok, greet has 1 nodes")


def test_every_mistake_is_shown_with_file_and_path(capsys: pytest.CaptureFixture[str]):
    Path("bad.yaml").write_text(BAD)

    assert run(["validate", "bad.yaml"]) == 2
    told = capsys.readouterr().err
    assert "bad.yaml:nodes[1].config.outptu: error: " in told
    assert "  fix: " in told
    assert "Traceback" not in told


def test_validate_as_json_has_one_line_a_file(capsys: pytest.CaptureFixture[str]):
    Path("good.yaml").write_text(GOOD)
    Path("bad.yaml").write_text(BAD)

    assert run(["validate", "--json", "good.yaml", "bad.yaml", "none.yaml"]) == 2
    good, bad, none = (orjson.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (good["valid"], good["diagnostics"]) == (True, [])
    assert bad["valid"] is False
    assert "nodes[1].config.outptu" in {diagnostic["path"] for diagnostic in bad["diagnostics"]}
    assert none["diagnostics"][0]["message"] == "Cannot read none.yaml: No such file or directory."


def test_compile_prints_asl_alone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(GOOD))

    assert run(["compile", "-"]) == 0
    asl = orjson.loads(capsys.readouterr().out)
    assert asl["QueryLanguage"] == "JSONata"
    assert asl["StartAt"] in asl["States"]


@pytest.mark.parametrize("command", ["validate", "compile", "deploy"])
def test_a_file_that_is_no_definition(command: str, capsys: pytest.CaptureFixture[str]):
    Path("list.yaml").write_text("- 1\n")

    assert run([command, "list.yaml"]) == 2
    assert "list.yaml" in capsys.readouterr().err


def test_a_file_that_is_not_well_formed_names_the_line(capsys: pytest.CaptureFixture[str]):
    Path("broken.json").write_text('{"name": "x",\n "nodes": [}')

    assert run(["validate", "broken.json"]) == 2
    assert "line 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["workflows"],
        ["executions"],
        ["run", "x"],
        ["cancel", "0199"],
        ["logs", "0199"],
        ["deploy", "greet.yaml"],
        ["execution", "0199"],
    ],
)
def test_without_a_server_it_is_3_and_says_how_to_get_one(
    arguments: list[str], nowhere: str, capsys: pytest.CaptureFixture[str]
):
    Path("greet.yaml").write_text(GOOD)

    assert run([*arguments, "--url", nowhere]) == 3
    told = capsys.readouterr().err
    assert told.startswith(f"error: No Millrace server answers at {nowhere}")
    assert "millrace up" in told


def test_the_server_can_be_named_by_a_variable(
    nowhere: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("MILLRACE_URL", nowhere)

    assert run(["workflows"]) == 3
    assert nowhere in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{name: Ada}", "--input is not JSON"),
        ("@none.json", "Cannot read none.json: No such file or directory."),
        ("@broken.json", "broken.json is not JSON"),
    ],
)
def test_a_bad_input_is_2(given: str, told: str, capsys: pytest.CaptureFixture[str]):
    Path("broken.json").write_text("{")

    assert run(["run", "x", "--input", given]) == 2
    assert told in capsys.readouterr().err


def test_a_signed_webhook_needs_its_secret_from_the_environment(capsys: pytest.CaptureFixture[str]):
    Path("greet.yaml").write_text(GOOD)

    assert run(["deploy", "greet.yaml", "--webhook", "--verify", "github"]) == 2
    assert "MILLRACE_WEBHOOK_SECRET" in capsys.readouterr().err


def test_a_wrong_setting_is_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("MILLRACE_LOG_LEVEL", "loud")

    assert run(["up"]) == 2
    assert "log_level" in capsys.readouterr().err


def test_an_unforeseen_error_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def broken() -> None:
        raise LookupError("odd")

    monkeypatch.setattr("shared.settings.load", broken)

    assert run(["up"]) == 70
    assert capsys.readouterr().err == "error: This is a mistake in Millrace: LookupError: odd\n"
