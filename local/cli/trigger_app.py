"""The commands on triggers: `millrace trigger …`."""

from pathlib import Path
from typing import Annotated

import typer

from local.cli.shapes import DEFAULT_URL

TriggerId = Annotated[str, typer.Argument(metavar="ID", help="The trigger's id.", show_default=False)]
WorkflowName = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its name or id.", show_default=False)]
File = Annotated[Path, typer.Argument(help="type and config, JSON or YAML; - reads standard input.")]
Count = Annotated[int, typer.Option(min=1, max=100, help="How many at most.")]
Url = Annotated[str, typer.Option("--url", envvar="MILLRACE_URL", help="The server.")]
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]

trigger_app = typer.Typer(help="What starts a workflow by itself: list, add, pause, look ahead.", no_args_is_help=True)


@trigger_app.command("list")
def list_(workflow: WorkflowName, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """List a workflow's triggers."""
    from local.cli import triggers
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(triggers.show_all(Session(url, as_json), workflow)))


@trigger_app.command()
def add(workflow: WorkflowName, file: File, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Add a trigger to a workflow, and print its id."""
    from local.cli import triggers
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(triggers.add(Session(url, as_json), workflow, file)))


@trigger_app.command()
def preview(file: File, *, count: Count = 10, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show when a trigger would fire, without adding it."""
    from local.cli import triggers
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(triggers.preview(Session(url, as_json), file, count)))


@trigger_app.command("next")
def next_(trigger: TriggerId, *, count: Count = 10, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show when a trigger fires next."""
    from local.cli import triggers
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(triggers.next_runs(Session(url, as_json), trigger, count)))


@trigger_app.command()
def state(trigger: TriggerId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show what a trigger did last, and why it paused itself."""
    from local.cli import triggers
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(triggers.state(Session(url, as_json), trigger)))


@trigger_app.command()
def pause(trigger: TriggerId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Switch a trigger off."""
    from local.cli import triggers
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(triggers.switch(Session(url, as_json), trigger, on=False)))


@trigger_app.command()
def resume(trigger: TriggerId, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Switch a trigger on."""
    from local.cli import triggers
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(triggers.switch(Session(url, as_json), trigger, on=True)))
