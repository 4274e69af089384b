"""n8n's data as the expressions of one node can name it."""

from dataclasses import dataclass

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.bench import Bench, Session
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.problems import NotSimple
from statemachines.importers.n8n.values import Value


@dataclass(frozen=True)
class Place:
    """Where an expression stands: at a node, with its input, for one of its items.

    `current` and `at` are the item's JSON and its position; of a node that runs once for all items, the first one's.
    """

    session: Session
    bench: Bench
    node: str
    input: Value
    current: Code
    at: Code
    paired: bool = True
    """Whether there is a current item at all."""

    def item(self) -> Code:
        return self.current.of_kind("item")

    def items(self) -> Code:
        return self.input.as_list()

    def position(self) -> Code:
        return self.at

    def node_item(self, name: str, at: str) -> Code:
        value = self._value(name)
        if not value.many:
            return value.code.of_kind("item")
        if at in ("first", "last"):
            return Code(f"{value.as_list().operand}[{0 if at == 'first' else -1}]", "item")
        if name in self.input.lineage and self.paired and self.input.many:
            return Code(f"{value.code.operand}[{self.at.text}]", "item")
        raise NotSimple(
            f"'{name}' has several items there, and which of them belongs to this one is not known; "
            "use .first(), .last() or .all()"
        )

    def node_items(self, name: str) -> Code:
        return self._value(name).as_list()

    def node_context(self, name: str, key: str) -> Code:
        known = self.session.values.get(name)
        if key == "currentRunIndex" and known is not None and known.bench is self.bench and self.bench.outer:
            return c.variable("index").of_kind("number")
        raise NotSimple(f"the context `{key}` of '{name}' is not kept")

    def free(self, name: str) -> str:
        return name if name.isidentifier() and name.isascii() and name not in self.session.ids else f"js_{_ascii(name)}"

    def _value(self, name: str) -> Value:
        known = self.session.values.get(name)
        if name not in self.session.document.nodes:
            raise NotSimple(f"there is no node '{name}'")
        if known is None:
            raise NotSimple(f"the node '{name}' gives nothing here")
        if not self.bench.sees(known.bench):
            raise NotSimple(f"the node '{name}' is inside a loop; only what the loop gives can be read outside")
        if name not in self.session.graph.upstream(self.node):
            raise NotSimple(f"the node '{name}' does not come before this one")
        return known.value


def _ascii(name: str) -> str:
    return "".join(each if each.isascii() and each.isalnum() else "_" for each in name)
