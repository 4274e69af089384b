"""Command `import`: another product's workflow as a definition."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from rich.text import Text

from local.cli.definitions import read_text
from local.cli.failures import ExitCode, Failed, explained
from local.cli.session import Session
from shared.errors import MillraceError
from shared.workflow.load import load_text
from statemachines.importers.n8n import Imported, Level, import_n8n

_STYLES = {Level.TODO: "bold red", Level.CHECK: "yellow", Level.NOTE: "dim"}
_NUMBER = re.compile(r"[-+.]?[0-9]")


IMPORTERS: dict[str, Callable[[object], Imported]] = {"n8n": import_n8n}


def import_file(session: Session, file: Path, form: str, output: Path | None) -> ExitCode:
    """Writes the definition to `output`, or to standard output, and tells the report; 1 where nothing was
    translated."""
    try:
        found = IMPORTERS[form](load_text(read_text(file)))
    except MillraceError as error:
        raise explained(error, file) from None
    if output is not None:
        _write(output, as_yaml(found.definition))
    if session.as_json:
        session.value(found.as_dict())
    elif output is None:
        session.line(as_yaml(found.definition).rstrip("\n"))
        _tell(session, found)
    else:
        session.rows(("LEVEL", "NODE", "TYPE", "WHAT", "TO DO"), [_row(line.as_dict()) for line in found.report])
    session.note(f"{file}: {found.translated} nodes translated, {found.placeholders} placeholders.")
    return ExitCode.OK if found.translated else ExitCode.EXECUTION_FAILED


def as_yaml(definition: dict[str, Any]) -> str:
    """The definition as YAML that `millrace` reads back as it was."""
    return yaml.dump(definition, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=116)


class _Dumper(yaml.SafeDumper):
    """Without aliases, which definitions must not have; and in quotes text such as `1e3`, a number in YAML 1.2,
    or with characters that only escapes can keep."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if _NUMBER.match(text) else None
    if not text.isprintable():
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(f"Cannot write {output}: {error.strerror}.", ExitCode.INVALID) from None


def _row(line: dict[str, str]) -> tuple[str, ...]:
    return tuple(" ".join(line.get(each, "").split()) for each in ("level", "node", "type", "message", "todo"))


def _tell(session: Session, found: Imported) -> None:
    for line in found.report:
        about = f"{line.node}: " if line.node else ""
        level = (f"{line.level:<5} ", _STYLES[line.level])
        session.err.print(Text.assemble(level, (about, "bold"), line.message), soft_wrap=True)
        if line.todo:
            session.err.print(Text.assemble(("  fix: ", "dim"), line.todo), soft_wrap=True)
