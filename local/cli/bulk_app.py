"""The commands on bulk runs: `millrace bulk …`."""

from typing import Annotated

import typer

from local.cli.shapes import DEFAULT_URL

BulkId = Annotated[str, typer.Argument(metavar="ID", help="The bulk run's id.", show_default=False)]
Url = Annotated[str, typer.Option("--url", envvar="MILLRACE_URL", help="The server.")]
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]

bulk_app = typer.Typer(help="One workflow with many inputs: start, watch, cancel, retry.", no_args_is_help=True)


@bulk_app.command()
def start(
    workflow: Annotated[str, typer.Argument(help="Its name or id.", show_default=False)],
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Inputs: .json (an array), .jsonl or .csv (with a header); or object:KEY.",
            show_default=False,
        ),
    ],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the inputs could start.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show progress until it has ended.")] = False,
    max_in_flight: Annotated[int, typer.Option(min=1, max=1000, help="Executions unfinished at once.")] = 200,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Start a workflow once for each input of a file, or of an object of the project."""
    from local.cli import bulk
    from local.cli.session import Session, run_async

    session = Session(url, as_json)
    if check:
        raise typer.Exit(run_async(bulk.check(session, workflow, source)))
    raise typer.Exit(run_async(bulk.start(session, workflow, source, max_in_flight=max_in_flight, following=follow)))


@bulk_app.command()
def show(
    bulk_id: BulkId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show progress until it has ended.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show how far a bulk run is."""
    from local.cli import bulk
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(bulk.show(Session(url, as_json), bulk_id, following=follow)))


@bulk_app.command()
def items(
    bulk_id: BulkId,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed or timed out.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List what became of each input, all of them."""
    from local.cli import bulk
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(bulk.items(Session(url, as_json), bulk_id, failed=failed)))


@bulk_app.command()
def cancel(bulk_id: BulkId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Stop a bulk run, and its executions that have not ended."""
    from local.cli import bulk
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(bulk.cancel(Session(url, as_json), bulk_id)))


@bulk_app.command()
def retry(bulk_id: BulkId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Let the executions that failed go on from where they did."""
    from local.cli import bulk
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(bulk.retry(Session(url, as_json), bulk_id)))
