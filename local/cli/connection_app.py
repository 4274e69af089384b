"""The commands on connections: `millrace connections …`."""

from typing import Annotated

import typer

from local.cli.shapes import DEFAULT_URL

Name = Annotated[str, typer.Argument(help="The connection's name.", show_default=False)]
Url = Annotated[str, typer.Option("--url", envvar="MILLRACE_URL", help="The server.")]
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]

connection_app = typer.Typer(help="Credentials for other services, by name.", no_args_is_help=True)


@connection_app.command("list")
def list_(*, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """List connections, without their secrets."""
    from local.cli import connections
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(connections.show_all(Session(url, as_json))))


@connection_app.command("set")
def set_(
    name: Name,
    credentials: Annotated[
        str, typer.Argument(help='JSON, as {"kind": "bearer", "token": "…"}; @file, or - for standard input.')
    ] = "-",
    *,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Make a connection, or give one new credentials. Read from standard input, so that no history keeps them."""
    from local.cli import connections
    from local.cli.session import Session, read_input, run_async

    given = read_input(credentials)
    raise typer.Exit(run_async(connections.put(Session(url, as_json), name, given)))


@connection_app.command("test")
def try_(
    name: Name,
    *,
    get: Annotated[
        str | None, typer.Option(help="An address that only those who are signed in may read.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Ask the service whether it takes the credentials."""
    from local.cli import connections
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(connections.try_out(Session(url, as_json), name, get)))


@connection_app.command()
def authorize(name: Name, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Print the link for the person whose access the connection is to have."""
    from local.cli import connections
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(connections.authorize(Session(url, as_json), name)))


@connection_app.command()
def delete(name: Name, *, url: Url = DEFAULT_URL) -> None:
    """Remove a connection; nodes that name it fail from then on."""
    from local.cli import connections
    from local.cli.session import Session, run_async

    raise typer.Exit(run_async(connections.delete(Session(url), name)))
