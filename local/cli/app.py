"""The commands and their options. What a command does is in the module that it imports when it runs."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from local.cli.bulk_app import bulk_app
from local.cli.connection_app import connection_app
from local.cli.dead_letter_app import dead_letter_app
from local.cli.shapes import DEFAULT_URL
from local.cli.trigger_app import trigger_app

EXIT_CODES = (
    "Exit codes: 0 done, 1 the execution failed, 2 a mistake in command, definition, input or settings, "
    "3 server unreachable, 4 refused by the server, 130 Ctrl-C."
)


class Status(StrEnum):
    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    timed_out = "timed_out"
    cancelled = "cancelled"


class Level(StrEnum):
    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class ImportFormat(StrEnum):
    n8n = "n8n"


class Scheme(StrEnum):
    none = "none"
    github = "github"
    hmac = "hmac"


class ApprovalStatus(StrEnum):
    pending = "pending"
    approved = "approved"
    rejected = "rejected"
    expired = "expired"


File = Annotated[Path, typer.Argument(help="A definition, JSON or YAML; - reads standard input.", show_default=False)]
Files = Annotated[list[Path], typer.Argument(help="Definitions, JSON or YAML.", show_default=False)]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="The execution's id.", show_default=False)]
ApprovalId = Annotated[str, typer.Argument(metavar="ID", help="The approval's id.", show_default=False)]
Comment = Annotated[str, typer.Option(help="Why.", show_default=False)]
Url = Annotated[str, typer.Option("--url", envvar="MILLRACE_URL", help="The server.")]
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at most.")]
Cursor = Annotated[str | None, typer.Option(help="Where the page before ended.", show_default=False)]

app = typer.Typer(
    name="millrace",
    help="AI-agent workflows: check, deploy, run and watch them.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(trigger_app, name="trigger")
app.add_typer(bulk_app, name="bulk")
app.add_typer(dead_letter_app, name="dead-letters")
app.add_typer(connection_app, name="connections")


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code. A failure is told on standard error, without a traceback."""
    try:
        app(args=arguments, prog_name="millrace")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: people get words
        from local.cli.failures import explained, tell
        from local.cli.session import Session

        failure = explained(error)
        tell(failure, Session().err)
        return failure.code
    return 0


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"millrace {version('millrace')}")
        raise typer.Exit


@app.callback()
def millrace(
    *, version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_show_version)] = False
) -> None:
    """AI-agent workflows: check, deploy, run and watch them."""


@app.command()
def up(
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Run the example workflow after the start.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Stop after the demo.")] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="MILLRACE_PORT", show_default="8000")] = None,
    data: Annotated[Path | None, typer.Option(help="MILLRACE_DATA", show_default=".millrace")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve and run executions.")] = 1,
) -> None:
    """Start the local stage: API, webhooks and interpreter in one process, or in several, on loopback."""
    if once and not demo:
        raise typer.BadParameter("--once stops after the demo; give --demo too.")
    from shared.settings import load

    given = {"port": port, "data": data}
    settings = load().model_copy(update={key: value for key, value in given.items() if value is not None})
    from local.host import serve  # after the settings: a wrong one is told at once

    raise typer.Exit(serve(settings, with_demo=demo, once=once, workers=workers))


@app.command()
def validate(files: Files, *, as_json: Json = False) -> None:
    """Check definitions, without a server. Every mistake is shown at once."""
    from local.cli import definitions
    from local.cli.session import Session

    raise typer.Exit(definitions.validate(Session(as_json=as_json), files))


@app.command("compile")
def compile_(file: File, *, as_json: Json = False) -> None:
    """Print the Amazon States Language that a definition becomes, without a server."""
    from local.cli import definitions
    from local.cli.session import Session

    raise typer.Exit(definitions.compile_file(Session(as_json=as_json), file))


@app.command()
def plan(
    file: File,
    *,
    items: Annotated[
        int | None, typer.Option(min=0, help="How long lists are taken to be that nothing bounds.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what an execution takes and costs, at least and at most, without a server."""
    from local.cli import plans
    from local.cli.session import Session

    raise typer.Exit(plans.plan_file(Session(as_json=as_json), file, items))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="An export of another product; - reads standard input.")],
    *,
    form: Annotated[ImportFormat, typer.Option("--format", help="What it is an export of.")] = ImportFormat.n8n,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the definition goes, as YAML.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Translate another product's workflow, without a server, and report what a person has to look at."""
    from local.cli import imports
    from local.cli.session import Session

    raise typer.Exit(imports.import_file(Session(as_json=as_json), file, form.value, output))


@app.command()
def schema() -> None:
    """Print the JSON Schema of definitions, for editors and other tools."""
    import json

    from shared.workflow.definition import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def deploy(
    file: File,
    *,
    draft: Annotated[bool, typer.Option("--draft", help="Do not activate it.")] = False,
    webhook: Annotated[bool, typer.Option("--webhook", help="Give it a webhook, and print its URL.")] = False,
    verify: Annotated[
        Scheme, typer.Option(help="How deliveries are signed; the secret comes from MILLRACE_WEBHOOK_SECRET.")
    ] = Scheme.none,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Create or update the workflow of this name, and activate it."""
    from local.cli import definitions
    from local.cli.session import Session, run_async

    work = definitions.deploy(Session(url, as_json), file, draft=draft, webhook=webhook, verify=verify.value)
    raise typer.Exit(run_async(work))


@app.command()
def workflows(*, limit: Limit = 50, cursor: Cursor = None, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """List workflows, newest first."""
    from local.cli import definitions
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(definitions.workflows(Session(url, as_json), limit=limit, cursor=cursor)))


@app.command("run")
def run_(
    name: Annotated[str, typer.Argument(help="The workflow's name or id.", show_default=False)],
    *,
    input_: Annotated[str, typer.Option("--input", "-i", help="JSON, @file, or - for standard input.")] = "{}",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its progress until it ends.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key starts nothing twice.", show_default=False)
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(help="An execution: agents are given what they were told in it.", show_default=False),
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Start an execution. With --follow: progress on standard error, the output on standard output."""
    from local.cli import executions
    from local.cli.session import Session, read_input, run_async

    data = read_input(input_)
    work = executions.run(Session(url, as_json), name, data, following=follow, key=idempotency_key, replay=replay)
    raise typer.Exit(run_async(work))


@app.command("executions")
def executions_(
    *,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.", show_default=False)] = None,
    status: Annotated[Status | None, typer.Option(help="In this status only.", show_default=False)] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List executions, newest first."""
    from local.cli import executions
    from local.cli.session import Session, run_async

    work = executions.list_executions(
        Session(url, as_json), workflow=workflow, status=status and status.value, limit=limit, cursor=cursor
    )
    raise typer.Exit(run_async(work))


@app.command()
def execution(execution_id: ExecutionId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show one execution, node by node."""
    from local.cli import executions
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(executions.show(Session(url, as_json), execution_id)))


@app.command()
def logs(
    execution_id: ExecutionId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the execution ends.")] = False,
    level: Annotated[Level | None, typer.Option(help="This level and above.", show_default=False)] = None,
    node: Annotated[str | None, typer.Option(help="Of this node only.", show_default=False)] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show an execution's log."""
    from local.cli import executions
    from local.cli.session import Session, run_async

    work = executions.logs(
        Session(url, as_json), execution_id, level=level and level.value, node=node, following=follow
    )
    raise typer.Exit(run_async(work))


@app.command()
def cancel(execution_id: ExecutionId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Ask for an execution to be stopped."""
    from local.cli import executions
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(executions.cancel(Session(url, as_json), execution_id)))


@app.command()
def login(
    *,
    email: Annotated[
        str | None,
        typer.Option(help="Sign in with a password; without it, an API key is asked for.", show_default=False),
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Keep credentials for a server, readable by you only. The secret is read from the terminal or standard input."""
    from local.cli import login as signing_in
    from local.cli.session import Session, run_async

    secret = signing_in.read_secret("Password" if email else "API key")
    raise typer.Exit(run_async(signing_in.login(Session(url), email, secret)))


@app.command()
def logout(*, url: Url = DEFAULT_URL) -> None:
    """Forget the credentials that login kept for a server."""
    from local.cli import credentials

    credentials.forget(url.rstrip("/"))


@app.command()
def key(*, url: Url = DEFAULT_URL) -> None:
    """Print the key that the commands send, as in: curl -H "Authorization: Bearer $(millrace key)" ..."""
    from local.cli import credentials

    found = credentials.find(url.rstrip("/"))
    if found is None:
        typer.echo("No credentials are known for this server. Run: millrace login", err=True)
        raise typer.Exit(2)
    typer.echo(found)


@app.command()
def redrive(execution_id: ExecutionId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Let an execution that failed go on from where it failed."""
    from local.cli import executions
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(executions.redrive(Session(url, as_json), execution_id)))


approvals_app = typer.Typer(name="approvals", help="Questions to people.", no_args_is_help=True)
app.add_typer(approvals_app)


@approvals_app.command("list")
def list_approvals(
    *,
    status: Annotated[ApprovalStatus | None, typer.Option(help="In this status only.")] = ApprovalStatus.pending,
    limit: Limit = 50,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List approvals, newest first."""
    from local.cli import approvals
    from local.cli.session import Session, run_async

    work = approvals.list_approvals(Session(url, as_json), status=status.value if status else None, limit=limit)
    raise typer.Exit(run_async(work))


@approvals_app.command()
def approve(
    approval_id: ApprovalId,
    *,
    comment: Comment = "",
    form: Annotated[str | None, typer.Option(help="The form, as JSON.", show_default=False)] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Approve; the execution goes on."""
    from local.cli import approvals
    from local.cli.session import Session, read_input, run_async

    data = None if form is None else read_input(form)
    work = approvals.decide(Session(url, as_json), approval_id, approved=True, comment=comment, form=data)
    raise typer.Exit(run_async(work))


@approvals_app.command()
def reject(approval_id: ApprovalId, *, comment: Comment = "", url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Reject; the execution goes on with `approved: false`."""
    from local.cli import approvals
    from local.cli.session import Session, run_async

    work = approvals.decide(Session(url, as_json), approval_id, approved=False, comment=comment, form=None)
    raise typer.Exit(run_async(work))
