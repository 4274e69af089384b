"""The commands on secrets at rest: `millrace secrets …`. They work on the database, not through a server."""

from pathlib import Path
from typing import Annotated

import typer

secrets_app = typer.Typer(help="Secrets at rest.", no_args_is_help=True)


@secrets_app.callback()
def secrets() -> None:
    """Secrets at rest."""


@secrets_app.command()
def rotate(
    *,
    data: Annotated[Path | None, typer.Option(help="MILLRACE_DATA", show_default=".millrace")] = None,
) -> None:
    """Seal every stored secret anew with the newest key; without MILLRACE_ENCRYPTION_KEYS a new one is made first."""
    from local.cli.session import Session, run_async
    from shared.settings import load

    settings = load() if data is None else load().model_copy(update={"data": data})
    from local.secrets import rotate_secrets  # after the settings: a wrong one is told at once

    raise typer.Exit(run_async(rotate_secrets(Session(), settings)))
