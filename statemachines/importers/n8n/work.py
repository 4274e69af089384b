"""What a translator of one node works with: the node, what arrives at it, and how it adds to the definition."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.bench import Bench, Session
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import N8nNode
from statemachines.importers.n8n.parameters import json_parameter, parameter
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.problems import NotSimple
from statemachines.importers.n8n.result import Level
from statemachines.importers.n8n.values import Port, Value, common_ways

_JSON, _POS = Code("$json"), Code("$pos", "number")
_WORK = frozenset({"webhook", "agent", "tool", "workflow"})
_MAX_ATTEMPTS = 5  # n8n's own limit


@dataclass
class Work:
    """The translation of one node. A translator reads `node` and `inputs`, and must fill in `ports`: one for each
    output that is connected."""

    session: Session
    bench: Bench
    node: N8nNode
    id: str
    inputs: Mapping[int, Port]
    ports: dict[int, Port] = field(default_factory=dict)

    # What arrives

    @property
    def port(self) -> Port:
        """The first input."""
        return self.inputs[min(self.inputs)]

    @property
    def input(self) -> Value:
        return self.port.value

    def connected(self, output: int) -> bool:
        """Whether anything follows an output."""
        return any(link.output == output for link in self.session.graph.out.get(self.node.name, ()))

    def place(self) -> Place:
        """Names for what is evaluated once for all items; the current item is the first one."""
        value = self.input
        first = Code(f"{value.as_list().operand}[0]") if value.many else value.code
        return Place(self.session, self.bench, self.node.name, value, first, c.constant(0), paired=False)

    def item_place(self) -> Place:
        """Names for what is evaluated for each item, in a transform."""
        return self._in_map() if self.input.many else self.place()

    def _in_map(self) -> Place:
        return replace(self.place(), current=_JSON, at=_POS, paired=True)

    def loop_place(self) -> Place:
        """The same in the body of a loop over the items."""
        return replace(self.place(), current=c.variable("item"), at=Code("$index", "number"), paired=True)

    # Parameters

    def code(self, value: Any, place: Place) -> Code:
        """A parameter's code. What is not simple fails when it is reached, and is in the report."""
        return self._marked(value, lambda: parameter(value, place))

    def json_code(self, value: Any, place: Place) -> Code:
        """The same of a parameter that holds JSON as text."""
        return self._marked(value, lambda: json_parameter(value, place))

    def _marked(self, value: Any, read: Callable[[], Code]) -> Code:
        try:
            return read()
        except NotSimple as problem:
            reason = str(problem)
        except ValueError as problem:
            reason = f"it is not valid JSON: {problem}"
        shown = value if isinstance(value, str) else "its value"
        self.say(Level.TODO, "expression.not_simple", f"{_short(shown)}: {reason}.", "Write it in JSONata.")
        return Code(f"$error({c.quoted(f'TODO n8n: {self.node.name}: {_short(shown)}')})")

    # What goes out

    def say(self, level: Level, code: str, message: str, todo: str | None = None) -> None:
        """A line of the report about this node."""
        self.session.say(level, code, message, self.node, todo)

    def out(self, output: int, value: Value, **edge: Any) -> None:
        """Fills in a port that is taken when the node is done, or on a `case` of it."""
        ways = common_ways(list(self.inputs.values()))
        live = f"$exists(${self.id})"
        if "case" in edge:
            ways[self.id] = frozenset({edge["case"]})
            live = f"(${self.id}.case = {c.quoted(edge['case'])})"
        self.ports[output] = Port({"from": self.id, **edge}, live, value, ways)

    def emit(self, kind: str, config: Mapping[str, Any], **more: Any) -> None:
        """Adds the node itself, with edges from all its inputs."""
        self.bench.add(self.shaped(kind, config, **more))
        for port in self.inputs.values():
            self.bench.connect(port, self.id)

    def shaped(self, kind: str, config: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """The node of the definition."""
        shape: dict[str, Any] = {"id": self.id, "type": kind, "name": self.node.name[:120], "config": dict(config)}
        notes = self.node.raw.get("notes")
        if isinstance(notes, str) and notes:
            shape["notes"] = notes[:10_000]
        if position := _position(self.node):
            shape["position"] = position
        if kind in _WORK:
            shape["retry"] = retry(self.node)
        return shape | more

    def helper(self, suffix: str, kind: str, config: Mapping[str, Any], name: str, port: Port) -> str:
        """A helper node that n8n does not have, behind a port; its id."""
        made = self.session.ids.make(f"{self.id}_{suffix}")
        self.session.owner[made] = self.node.name
        self.bench.add({"id": made, "type": kind, "name": name[:120], "config": dict(config)})
        self.bench.connect(port, made)
        return made

    # The usual shapes

    def each(self, build: Callable[[Place], Code]) -> None:
        """A node that makes one item of each, without any work: a transform."""
        value = self.input
        if value.many:
            inner = c.value(build(self._in_map()))
            listed = Code(f"[$map({value.code.text}, function($json, $pos) {{ {inner.text} }})]", "array")
            self.transform(Value(listed, many=True, lineage=value.lineage))
        else:
            self.transform(Value(build(self.place())))

    def transform(self, value: Value) -> None:
        """A transform with this output."""
        self.emit("transform", {"output": value.code.template()}, **self.on_error())
        lineage = value.lineage | {self.node.name}
        self.out(0, Value(c.variable(self.id), value.many, lineage))
        self.error_port()

    def some(self, output: int, value: Value) -> None:
        """A port that is only taken where the list has items: n8n does not run what would get none."""
        if self.connected(output):
            self.out(output, value)
            self.only_some(output)

    def only_some(self, output: int) -> None:
        """Guards a port in that way."""
        port = self.ports[output]
        case = {"case": "items", "when": f"{{% $count({port.value.code.text}) > 0 %}}"}
        name = f"Anything from {self.node.name}?"
        helper = self.helper("any", "condition", {"cases": [case], "default": "none"}, name, port)
        edge, live = {"from": helper, "case": "items"}, f'(${helper}.case = "items")'
        self.ports[output] = Port(edge, live, port.value, {**port.ways, helper: frozenset({"items"})})

    # When it fails

    def error_mode(self) -> str:
        """What n8n does when the node fails."""
        mode = self.node.raw.get("onError")
        if self.node.raw.get("continueOnFail") is True and mode is None:
            return "continueRegularOutput"
        return mode if mode in ("continueRegularOutput", "continueErrorOutput") else "stopWorkflow"

    def on_error(self) -> dict[str, Any]:
        """`on_error: continue`, where n8n says so."""
        return {"on_error": "continue"} if self.error_mode() == "continueRegularOutput" else {}

    def error_port(self) -> None:
        """The second output of a node that has one for failures."""
        if self.error_mode() != "continueErrorOutput" or not self.connected(1):
            return
        failure = Code(f'$merge([{self.place().current.text}, {{"error": ${self.id}.error}}])')
        live = f"$exists(${self.id}.error)"
        ways = self.ports[0].ways
        self.ports[0] = replace(
            self.ports[0],
            live=f"($exists(${self.id}) and $not({live}))",
            ways={**ways, self.id: frozenset({"done"})},
        )
        edge = {"from": self.id, "error": True}
        self.ports[1] = Port(edge, live, Value(failure), {**ways, self.id: frozenset({"error"})})
        message = (
            "The item on the error output is its input with `error: {name, cause}`; n8n's `error` has other members."
        )
        self.say(Level.CHECK, "error.shape", message, "Look at what reads `error` behind it.")


def retry(node: N8nNode) -> dict[str, Any]:
    """n8n tries once, unless a node says otherwise; then again after any failure."""
    if node.raw.get("retryOnFail") is not True:
        return {"max_attempts": 1}
    tries, pause = node.raw.get("maxTries"), node.raw.get("waitBetweenTries")
    attempts = min(max(int(_number(tries, 3)), 2), _MAX_ATTEMPTS)
    seconds = min(max(math.ceil(_number(pause, 1_000) / 1_000), 1), 86_400)
    return {
        "max_attempts": attempts,
        "interval_seconds": seconds,
        "backoff_rate": 1.0,
        "jitter": False,
        "errors": ["States.ALL"],
    }


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _number(value: Any, otherwise: float) -> float:
    return float(value) if _finite(value) else otherwise


def _position(node: N8nNode) -> dict[str, float] | None:
    where = node.raw.get("position")
    if isinstance(where, list) and len(where) == 2 and all(_finite(each) for each in where):  # noqa: PLR2004 - x and y
        return {"x": where[0], "y": where[1]}
    return None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return f"`{text if len(text) <= 100 else text[:99] + '…'}`"  # noqa: PLR2004 - one line of a report
