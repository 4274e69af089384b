"""The commands on the audit log: `millrace audit …`."""

from pathlib import Path
from typing import Annotated

import typer

from local.cli.shapes import DEFAULT_URL

Url = Annotated[str, typer.Option("--url", envvar="MILLRACE_URL", help="The server.")]
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]

audit_app = typer.Typer(help="Who did what to what, and whether the record is whole.", no_args_is_help=True)


@audit_app.command("list")
def list_entries(
    *,
    action: Annotated[str | None, typer.Option(help="This action only, or workflow.*", show_default=False)] = None,
    actor: Annotated[str | None, typer.Option(help="By this user or key only.", show_default=False)] = None,
    target: Annotated[str | None, typer.Option(help="To this resource only.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option(help="Not before this time (RFC 3339).", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List entries, newest first."""
    from local.cli import audit
    from local.cli.session import Session, run_async

    wanted = {"action": action, "actor_id": actor, "target_id": target, "since": since, "limit": limit}
    raise typer.Exit(run_async(audit.list_entries(Session(url, as_json), wanted)))


@audit_app.command()
def export(*, url: Url = DEFAULT_URL) -> None:
    """Print the whole log as JSON lines, oldest first."""
    from local.cli import audit
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(audit.export(Session(url, as_json=True))))


@audit_app.command()
def verify(
    *,
    noted: Annotated[
        str | None, typer.Option("--noted", help="NUMBER:HASH, as an earlier verification gave it.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="An export, in place of the server's log.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Check that nobody changed, removed or added entries; exit code 1 where somebody did."""
    from local.cli import audit
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(audit.verify(Session(url, as_json), audit.parsed(noted), file)))
