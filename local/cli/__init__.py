"""The `millrace` command. What it can do is in `app`; this file stays light, so that `millrace --help` is quick."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and leaves the process with its exit code (see local.cli.failures).

    Raises:
        SystemExit: always.
    """
    from local.cli.app import run  # noqa: PLC0415 - importing local.cli.client must not load the command line's libraries

    raise SystemExit(run(arguments))
