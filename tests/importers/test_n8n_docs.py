"""docs/import-n8n.md has a row for every translator and every trigger.

After a deliberate change: `pytest tests/importers --update-imports`.
"""

import re
from pathlib import Path

from statemachines.importers.n8n import import_n8n  # registers the translators
from statemachines.importers.n8n.registry import translators
from statemachines.importers.n8n.triggers import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "import-n8n.md"


def _short(node_type: str) -> str:
    return f"`{node_type.rpartition('.')[2]}`"


def nodes() -> str:
    rows = [f"| {', '.join(map(_short, each.types))} | {each.becomes} | {each.remarks} |" for each in translators()]
    return "\n".join(["| n8n | Millrace | what is translated |", "|---|---|---|", *rows])


def triggers() -> str:
    rows = [f"| {_short(name)} | {kind.type} | {kind.remark} |" for name, kind in KINDS.items()]
    return "\n".join(["| n8n | trigger | remarks |", "|---|---|---|", *rows])


def test_the_tables_are_those_of_the_code(update_imports: bool) -> None:
    text = PAGE.read_text()
    for name, table in (("nodes", nodes()), ("triggers", triggers())):
        block = f"<!-- {name} -->\n{table}\n<!-- /{name} -->"
        text = re.sub(rf"<!-- {name} -->.*<!-- /{name} -->", lambda _, block=block: block, text, flags=re.DOTALL)
    if update_imports:
        PAGE.write_text(text)
    assert text == PAGE.read_text(), "run: pytest tests/importers --update-imports"


def test_every_translator_is_reached_by_its_types() -> None:
    document = {"nodes": [{"name": "A", "type": translators()[0].types[0]}]}
    assert import_n8n(document).definition["nodes"]
    assert len({name for each in translators() for name in each.types}) >= 20
