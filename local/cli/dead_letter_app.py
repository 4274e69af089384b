"""The commands on dead letters: `millrace dead-letters …`."""

from enum import StrEnum
from typing import Annotated

import typer

from local.cli.shapes import DEFAULT_URL

LetterId = Annotated[str, typer.Argument(metavar="ID", help="The dead letter's id.", show_default=False)]
LetterIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of dead letters.", show_default=False)]
Trigger = Annotated[str | None, typer.Option(help="Of this trigger only.", show_default=False)]
Url = Annotated[str, typer.Option("--url", envvar="MILLRACE_URL", help="The server.")]
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


class Status(StrEnum):
    waiting = "waiting"
    redriven = "redriven"
    discarded = "discarded"


dead_letter_app = typer.Typer(
    help="What triggers could not start: list, show, start again, put aside.", no_args_is_help=True
)


@dead_letter_app.command("list")
def list_(
    *,
    status: Annotated[Status, typer.Option(help="In this status only.")] = Status.waiting,
    trigger: Trigger = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first."""
    from local.cli import dead_letters
    from local.cli.session import Session, run_async

    work = dead_letters.show_all(Session(url, as_json), status=status.value, trigger=trigger, limit=limit)
    raise typer.Exit(run_async(work))


@dead_letter_app.command()
def show(letter_id: LetterId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show one, with what it is about."""
    from local.cli import dead_letters
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(dead_letters.show(Session(url, as_json), letter_id)))


@dead_letter_app.command()
def redrive(letter_ids: LetterIds, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Start again, with the trigger and the workflow as they are now. Nothing starts twice."""
    from local.cli import dead_letters
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(dead_letters.settle(Session(url, as_json), "redrive", letter_ids)))


@dead_letter_app.command()
def discard(letter_ids: LetterIds, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Put aside for good."""
    from local.cli import dead_letters
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(dead_letters.settle(Session(url, as_json), "discard", letter_ids)))
