"""What an import gives."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How much a line of the report matters."""

    TODO = "todo"
    """Not translated: a placeholder fails at this place, or something is left out. A person must act."""
    CHECK = "check"
    """Translated, but it may mean something else than in n8n."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One thing to know. `node` and `type` are n8n's; `id` is the node in the definition, where there is one."""

    level: Level
    code: str
    message: str
    node: str | None = None
    type: str | None = None
    id: str | None = None
    todo: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON, without what says nothing."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class TriggerSuggestion:
    """What starts the workflow in n8n. `type` is Millrace's trigger type; `config` what n8n says about it."""

    type: str
    name: str
    config: dict[str, Any]
    sample: Any = None
    """An input that was pinned in n8n's editor."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON, without what says nothing."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Imported:
    """A definition, what should start it, and the report. `translated` counts the n8n nodes that became nodes which
    work; `placeholders` those that fail until somebody replaces them."""

    definition: dict[str, Any]
    triggers: list[TriggerSuggestion]
    report: list[ReportLine]
    translated: int
    placeholders: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "definition": self.definition,
            "triggers": [each.as_dict() for each in self.triggers],
            "report": [each.as_dict() for each in self.report],
            "translated": self.translated,
            "placeholders": self.placeholders,
        }
