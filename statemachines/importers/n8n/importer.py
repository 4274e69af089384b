"""The entrance: a document of n8n in, a definition and a report out."""

from typing import Any

import statemachines.importers.n8n.nodes  # noqa: F401 - registers the translators
from shared.errors import Diagnostic, InvalidDefinition
from statemachines.compiler import compile_workflow
from statemachines.importers.n8n import triggers
from statemachines.importers.n8n.bench import Bench, Session
from statemachines.importers.n8n.builder import Builder
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import read
from statemachines.importers.n8n.graph import without_disabled
from statemachines.importers.n8n.names import slug
from statemachines.importers.n8n.result import Imported, Level, ReportLine
from statemachines.importers.n8n.values import Port, together

_STICKY = "n8n-nodes-base.stickyNote"
_CALLED = "n8n-nodes-base.executeWorkflowTrigger"
_ORDER = {Level.TODO: 0, Level.CHECK: 1, Level.NOTE: 2}
_TELL_WHERE = frozenset({"trigger", "trigger.unknown", "node.unreached", "node.attached", "agent.attached"})
"""Lines that say what became of a node."""
_MAX_TIMEOUT = 31_536_000


def import_n8n(document: object) -> Imported:
    """The Millrace workflow for an n8n workflow, as JSON values (see shared.workflow.load for text).

    Every n8n node is a node of the definition, or in the report. What cannot be translated is a transform that fails
    with `$error`, so nothing pretends to work. The definition's own mistakes are in the report, too.

    Raises:
        InvalidDefinition: the document is no n8n workflow. Nothing else is raised for any JSON value.
    """
    source = read(document)
    session = Session(source, without_disabled(source), report=list(source.report))
    session.named = {name: session.ids.make(name) for name in source.nodes}
    suggested = triggers.suggestions(session)
    bench = Bench()
    roots = triggers.roots(session, bench, session.graph)
    if not suggested:
        session.starts = {name for name in source.nodes if name not in session.graph.into}
    ports = Builder(session).scope(bench, _running(session), roots)
    _say_rest(session)
    definition = _definition(session, bench, ports)
    _say_mistakes(session, definition)
    worked = set(session.owner.values()) - session.placeholders | session.consumed | {each.name for each in suggested}
    return Imported(
        definition=definition,
        triggers=suggested,
        report=sorted(session.report, key=lambda line: _ORDER[line.level]),
        translated=len(worked & set(source.nodes)),
        placeholders=len(session.placeholders),
    )


def _running(session: Session) -> set[str]:
    """The nodes that an execution can reach."""
    nodes = session.document.nodes
    starts = [node.name for node in nodes.values() if triggers.is_trigger(node) and not node.disabled]
    found = session.graph.reach(starts) if starts else set(nodes)
    return {
        name
        for name in found
        if not triggers.is_trigger(nodes[name])
        and not nodes[name].disabled
        and nodes[name].type != _STICKY
        and not _only_attached(session, name)
    }


def _only_attached(session: Session, name: str) -> bool:
    """Whether a node is part of others, by connections of another kind than `main`."""
    attached = any(name == source for kinds in session.document.attached.values() for _, source in kinds)
    return attached and name not in session.graph.out and name not in session.graph.into


def _say_rest(session: Session) -> None:
    """Every node that has become neither a node nor a line of the report."""
    said = {line.node for line in session.report if line.code in _TELL_WHERE}
    in_definition = set(session.owner.values())
    for node in session.document.nodes.values():
        if node.disabled:
            message = "It is switched off: its input is passed on, and it is left out."
            session.say(Level.NOTE, "node.disabled", message, node)
        elif node.type == _STICKY:
            session.say(Level.NOTE, "note", f"A note: {node.text('content')[:2_000]}", node)
        elif node.name in in_definition or node.name in said:
            continue
        elif _only_attached(session, node.name):
            message = "It is attached to a node that is not translated, so it was left out."
            session.say(Level.TODO, "node.attached", message, node, "Translate that node by hand, with this one.")
        else:
            message = "No trigger leads to it, so n8n never runs it; it was left out."
            session.say(Level.CHECK, "node.unreachable", message, node)


def _definition(session: Session, bench: Bench, ports: dict[tuple[str, int], Port]) -> dict[str, Any]:
    source = session.document
    name = source.name or "n8n workflow"
    found: dict[str, Any] = {"name": slug(name), "description": f"Imported from the n8n workflow '{name[:500]}'."}
    timeout = source.settings.get("executionTimeout")
    if isinstance(timeout, int) and not isinstance(timeout, bool) and 1 <= timeout <= _MAX_TIMEOUT:
        found["settings"] = {"timeout_seconds": timeout}
    if zone := source.settings.get("timezone"):
        message = f"The workflow's time zone is {str(zone)[:60]}; dates are in UTC here."
        session.say(Level.CHECK, "time.zone", message)
    if source.settings.get("errorWorkflow"):
        message = "Its error workflow is left out."
        session.say(Level.TODO, "settings.error_workflow", message, todo="Add a trigger on failed executions.")
    if not bench.nodes:
        start = {"id": session.ids.make("start"), "type": "transform", "name": "Start"}
        bench.add({**start, "config": {"output": "{% $input %}"}})
    found |= {"nodes": bench.nodes, "edges": bench.edges}
    output = _output(session, bench, ports)
    return found if output is None else {**found, "output": output.template()}


def _output(session: Session, bench: Bench, ports: dict[tuple[str, int], Port]) -> Code | None:
    """What the last node gives, where only one can be the last; else the outputs of all sinks by id."""
    out = session.graph.out
    ends = [
        port
        for (name, output), port in ports.items()
        if output == 0 and not out.get(name) and name in session.values and session.values[name].bench is bench
    ]
    if len(ends) == 1 and not ends[0].ways:
        return ends[0].value.code
    called = any(node.type == _CALLED and not node.disabled for node in session.document.nodes.values())
    if called and ends:
        value = together(ends).code
        return Code(f"$exists({value.text}) ? {value.operand} : null")
    return None


def _say_mistakes(session: Session, definition: dict[str, Any]) -> None:
    """What the compiler says of the definition."""
    try:
        found: list[Diagnostic] = list(compile_workflow(definition).warnings)
    except InvalidDefinition as error:
        found = list(error.diagnostics)
    for each in found:
        name = session.owner.get(each.node or "")
        node = session.document.nodes.get(name) if name else None
        level = Level.TODO if each.severity == "error" else Level.CHECK
        message = f"{each.path}: {each.message}" if each.path else each.message
        line = ReportLine(
            level, f"compiler.{each.code}", message, name, node.type if node else None, each.node, each.fix
        )
        session.report.append(line)
