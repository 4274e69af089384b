"""The names that an expression can read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from statemachines.importers.n8n.code import Code


class Roots(Protocol):
    """n8n's data at one place of a workflow. Each method raises NotSimple where the data cannot be named there."""

    def item(self) -> Code:
        """The current item: `$json`, `$input.item`."""

    def items(self) -> Code:
        """All items of the input: `$input.all()`."""

    def position(self) -> Code:
        """`$itemIndex`."""

    def node_item(self, name: str, at: str) -> Code:
        """Of another node's items: the one that the current item comes from (`paired`), the `first` or the `last`."""

    def node_items(self, name: str) -> Code:
        """All items of another node."""

    def node_context(self, name: str, key: str) -> Code:
        """`$('Loop').context['currentRunIndex']`."""

    def free(self, name: str) -> str:
        """A JSONata variable that is like `name` and hides nothing."""


@dataclass(frozen=True)
class Scope:
    """The roots, and what JavaScript itself has bound."""

    roots: Roots
    names: Mapping[str, Code] = field(default_factory=dict)

    def bind(self, names: Mapping[str, Code]) -> "Scope":
        """The scope within, where these are bound."""
        return Scope(self.roots, {**self.names, **names})
