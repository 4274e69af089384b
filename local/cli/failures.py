"""Exit codes, and how failures are told. A failure is a sentence and a way out, never a traceback.

0    done; with --follow: the execution succeeded
1    the execution did not succeed
2    a mistake in the command, the definition, the input or the settings
3    the server cannot be reached
4    the server refused (no such workflow, conflict, ...) or failed
70   a mistake in Millrace itself
130  Ctrl-C
"""

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.text import Text

from local.cli.client import Refused, ServerUnreachable
from local.cli.shapes import Diagnostic
from shared import errors
from shared.errors import InvalidDefinition, MillraceError


class ExitCode(IntEnum):
    OK = 0
    EXECUTION_FAILED = 1
    INVALID = 2
    UNREACHABLE = 3
    REFUSED = 4
    BUG = 70  # EX_SOFTWARE of sysexits.h
    INTERRUPTED = 130


class Failed(Exception):
    """A command ends here. `diagnostics` are shown below the message, each with the file that it is in."""

    def __init__(
        self,
        message: str,
        code: ExitCode,
        *,
        hint: str | None = None,
        diagnostics: Sequence[Diagnostic] = (),
        file: Path | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.diagnostics = diagnostics
        self.file = file


def explained(error: Exception, file: Path | None = None) -> Failed:
    """The failure that an exception of the client or of the domain comes to."""
    match error:
        case Failed():
            return error
        case ServerUnreachable():
            hint = "Start one with `millrace up`, or name another with --url or MILLRACE_URL."
            return Failed(str(error), ExitCode.UNREACHABLE, hint=hint)
        case Refused():
            return _refused(error, file)
        case InvalidDefinition():
            found = [shape_of(diagnostic) for diagnostic in error.diagnostics]
            return Failed("", ExitCode.INVALID, diagnostics=found, file=file)
        case MillraceError():
            return Failed(f"{file}: {error.message}" if file else error.message, ExitCode.INVALID)
        case _:
            return Failed(f"This is a mistake in Millrace: {type(error).__name__}: {error}", ExitCode.BUG)


def tell(failure: Failed, console: Console) -> None:
    """Writes the failure as people read it."""
    for diagnostic in failure.diagnostics:
        tell_diagnostic(diagnostic, console, failure.file)
    if failure.message and not failure.diagnostics:
        console.print(Text.assemble(("error: ", "bold red"), failure.message), soft_wrap=True)
    if failure.hint:
        console.print(Text.assemble(("  fix: ", "dim"), failure.hint), soft_wrap=True)


def tell_diagnostic(diagnostic: Diagnostic, console: Console, file: Path | None = None) -> None:
    """`file:path: message`, which editors can jump from, and the fix on a line of its own."""
    where = ":".join(part for part in (str(file) if file else "", diagnostic.get("path", "")) if part)
    warning = diagnostic.get("severity") == "warning"
    mark = ("warning: ", "yellow") if warning else ("error: ", "bold red")
    position = diagnostic.get("position")
    message = diagnostic["message"] + (f" (at character {position})" if position is not None else "")
    console.print(Text.assemble((f"{where}: " if where else "", "bold"), mark, message), soft_wrap=True)
    if fix := diagnostic.get("fix"):
        console.print(Text.assemble(("  fix: ", "dim"), fix), soft_wrap=True)


def _refused(error: Refused, file: Path | None) -> Failed:
    mistaken = error.status in (400, 413, 415, 422)
    told = f"{error} ({error.code})" if error.code else str(error)
    hint = None
    if error.status >= 500 and error.correlation_id:  # noqa: PLR2004 - HTTP server errors
        hint = f"Look for correlation_id {error.correlation_id} in the server's log."
    code = ExitCode.INVALID if mistaken else ExitCode.REFUSED
    return Failed(told, code, hint=hint, diagnostics=error.diagnostics, file=file)


def shape_of(diagnostic: errors.Diagnostic) -> Diagnostic:
    """A diagnostic as the API would send it."""
    return cast("Diagnostic", diagnostic.as_dict())
