"""Which translator knows which node type of n8n. docs/import-n8n.md has the table that is made from it."""

from collections.abc import Callable
from dataclasses import dataclass

from statemachines.importers.n8n.work import Work

Translate = Callable[[Work], None]


@dataclass(frozen=True)
class Translator:
    """`becomes` and `remarks` are for the documentation."""

    types: tuple[str, ...]
    becomes: str
    remarks: str
    translate: Translate


_KNOWN: dict[str, Translator] = {}


def translates(*types: str, becomes: str, remarks: str) -> Callable[[Translate], Translate]:
    """Registers a translator for n8n node types."""

    def register(translate: Translate) -> Translate:
        for each in types:
            _KNOWN[each] = Translator(types, becomes, remarks, translate)
        return translate

    return register


def translator_of(node_type: str) -> Translator | None:
    """The translator of a type, or None where there is none."""
    return _KNOWN.get(node_type)


def translators() -> list[Translator]:
    """All of them, in order of their first type."""
    return sorted(dict.fromkeys(_KNOWN.values()), key=lambda each: each.types)
