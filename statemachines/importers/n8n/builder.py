"""From n8n's graph to the definition's: each node in order, joins where connections meet, bodies for loops."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n import loops
from statemachines.importers.n8n.bench import Bench, Known, Session
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import Link, N8nNode
from statemachines.importers.n8n.graph import LoopShape, cuts, in_order
from statemachines.importers.n8n.problems import NotSimple, Untranslatable
from statemachines.importers.n8n.registry import translator_of
from statemachines.importers.n8n.result import Level
from statemachines.importers.n8n.values import Port, Value, all_exclusive, common_ways, together
from statemachines.importers.n8n.work import Work

Ports = dict[tuple[str, int], Port]
"""By node and output."""

_NO_TRANSLATOR = "Millrace has no node for it"
_TODO = "Replace this node: a `tool` or `webhook` node, or JSONata in a `transform`."


@dataclass
class Builder:
    """Builds one bench after another."""

    session: Session

    def scope(self, bench: Bench, names: Collection[str], ports: Ports) -> Ports:
        """Translates the nodes of one graph. `ports` are those that lead into it; with the others they are given
        back."""
        shapes = loops.outermost(self.session, names)
        inside = {name for shape in shapes.values() for name in shape.body}
        own = [name for name in self.session.document.nodes if name in names and name not in inside]
        between = [link for link in self._links(own, ports) if not _belongs(link, shapes)]
        cut = cuts(own, [link for link in between if link.source in own])
        for name in in_order(own, [link for link in between if link.source in own and link not in cut]):
            into = [link for link in between if link.target == name and link not in cut]
            self._node(bench, name, into, ports, shapes.get(name))
        for link in cut:
            self._cut(bench, link, ports)
        return ports

    def _links(self, own: Collection[str], ports: Ports) -> list[Link]:
        sources = {name for name, _ in ports}
        known = set(own)
        return [
            link
            for link in self.session.graph.links
            if link.target in known and (link.source in known or link.source in sources)
        ]

    def _node(self, bench: Bench, name: str, into: list[Link], ports: Ports, shape: LoopShape | None) -> None:
        node = self.session.document.nodes[name]
        inputs = self._inputs(bench, node, into, ports)
        if not inputs:
            message = "Nothing leads to it that is translated, so it was left out."
            self.session.say(Level.TODO, "node.unreached", message, node, "Connect it in the definition.")
            return
        if node.raw.get("executeOnce") is True:
            inputs = {index: _first(port) for index, port in inputs.items()}
        if node.raw.get("alwaysOutputData") is True:
            message = "Where it gives nothing, n8n goes on with an empty item; here nothing that follows runs."
            self.session.say(Level.CHECK, "option.left_out", message, node)
        work = Work(self.session, bench, node, self.session.named[name], inputs)
        self.session.owner[work.id] = name
        self._translate(work, shape)
        for output, port in work.ports.items():
            ports[name, output] = port
        if work.ports and name not in self.session.values:
            value = work.ports[min(work.ports)].value
            self.session.values[name] = Known(value, bench)

    def _translate(self, work: Work, shape: LoopShape | None) -> None:
        before = len(work.bench.nodes), len(work.bench.edges)
        translator = translator_of(work.node.type)
        try:
            if loops.is_loop(work.node):
                loops.translate(work, shape, self)
            elif translator is None:
                raise Untranslatable(_NO_TRANSLATOR, _TODO)  # noqa: TRY301 - one place makes placeholders
            else:
                translator.translate(work)
        except Untranslatable as problem:
            self._placeholder(work, before, problem.reason, problem.todo)
        except NotSimple as problem:
            self._placeholder(work, before, str(problem), _TODO)

    def _placeholder(self, work: Work, before: tuple[int, int], reason: str, todo: str) -> None:
        """A node that fails when it is reached, and says so in its name."""
        del work.bench.nodes[before[0] :], work.bench.edges[before[1] :]
        work.ports.clear()
        kind = work.node.type or "no type"
        failing = f"TODO n8n: {work.node.name} ({kind}) is not translated: {reason}."
        name = f"TODO n8n: {kind} - {work.node.name}"
        notes = f"{failing} {todo}"[:10_000]
        output = f"{{% $error({c.quoted(failing[:1_000])}) %}}"
        work.emit("transform", {"output": output}, name=name[:120], notes=notes)
        for link in self.session.graph.out.get(work.node.name, ()):
            work.out(link.output, Value(c.variable(work.id)))
        self.session.placeholders.add(work.node.name)
        work.say(Level.TODO, "node.placeholder", f"Not translated: {reason}.", todo)

    def _inputs(self, bench: Bench, node: N8nNode, into: list[Link], ports: Ports) -> dict[int, Port]:
        found: dict[int, list[Port]] = {}
        if node.name in self.session.starts:
            found[0] = [Port(None, "true", Value(c.variable("input")))]
        for link in into:
            port = ports.get((link.source, link.output))
            if port is not None:
                found.setdefault(link.input, []).append(port)
            elif link.source in self.session.values:
                message = f"Output {link.output} of '{link.source}' gives nothing, so its connection was left out."
                self.session.say(Level.CHECK, "connection.lost", message, node)
        return {index: self._joined(bench, node, index, several) for index, several in sorted(found.items())}

    def _joined(self, bench: Bench, node: N8nNode, index: int, several: list[Port]) -> Port:
        """One port for connections that meet in one input."""
        value = together(several)
        if len(several) == 1:
            return several[0]
        if value.many and not all_exclusive(several):
            message = (
                f"{len(several)} connections meet in one input. n8n runs the node once for each of them; here it runs "
                "once, with the items of all."
            )
            self.session.say(Level.CHECK, "items.joined", message, node)
        if all(port.edge is None for port in several):
            return several[0]
        helper = self.session.ids.make(f"{self.session.named[node.name]}_in{index or ''}")
        self.session.owner[helper] = node.name
        output = {"output": value.code.template()}
        bench.add({"id": helper, "type": "transform", "name": f"Input of {node.name}"[:120], "config": output})
        for port in several:
            bench.connect(port, helper)
        arrived = Value(c.variable(helper), value.many)
        return Port({"from": helper}, f"$exists(${helper})", arrived, common_ways(several))

    def _cut(self, bench: Bench, link: Link, ports: Ports) -> None:
        """A connection that closes a cycle which is no loop: what takes it fails."""
        node = self.session.document.nodes[link.source]
        port = ports.get((link.source, link.output))
        reason = f"The connection back to '{link.target}' closes a cycle that is no loop over items"
        todo = "Use a `loop` node of kind `while`, with what repeats as its body."
        self.session.say(Level.TODO, "cycle", f"{reason}; a node that fails takes its place.", node, todo)
        if port is None:
            return
        helper = self.session.ids.make(f"{self.session.named[link.source]}_back")
        self.session.owner[helper] = link.source
        failing = Code(f"$error({c.quoted(f'TODO n8n: {reason}.'[:1_000])})")
        name = f"TODO n8n: back to {link.target}"[:120]
        bench.add({"id": helper, "type": "transform", "name": name, "config": {"output": failing.template()}})
        bench.connect(port, helper)


def _first(port: Port) -> Port:
    """The same with its first item alone."""
    if not port.value.many:
        return port
    return replace(port, value=Value(Code(f"{port.value.as_list().operand}[0]")))


def _belongs(link: Link, shapes: Mapping[str, LoopShape]) -> bool:
    """Whether a link is part of a loop: it enters a body or comes back from one."""
    return any(link in shape.back or link in shape.entries for shape in shapes.values())
