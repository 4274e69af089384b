"""Which of many triggers want an event, without asking all of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.triggers.events.pattern import Pattern, normal
from shared.triggers.events.trigger import EventTriggerConfig
from shared.triggers.records import Trigger


@dataclass(frozen=True, slots=True)
class Listener:
    """An event trigger, ready to be asked."""

    trigger: Trigger
    config: EventTriggerConfig
    pattern: Pattern


class PatternIndex:
    """Triggers of one project by what their pattern demands at the top: a text of `detail-type`, else of `source`.

    An event is compared with the patterns under its own two texts, and with those that demand neither.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._by_text: dict[tuple[str, str], list[Listener]] = defaultdict(list)
        self._others: list[Listener] = []
        for listener in listeners:
            required = listener.pattern.required
            for name in ("detail-type", "source"):
                if name in required:
                    for text in required[name]:
                        self._by_text[name, text].append(listener)
                    break
            else:
                self._others.append(listener)

    def wanting(self, document: dict[str, Any]) -> Sequence[Listener]:
        """The triggers whose pattern matches the event, each once."""
        event = normal(document)
        found = [*self._others]
        for name in ("detail-type", "source"):
            found += self._by_text.get((name, str(document.get(name))), ())
        return [each for each in found if each.pattern.matches_normal(event)]
