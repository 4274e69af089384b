"""Triggers: what starts the workflow is not part of a definition, so they become suggestions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.bench import Bench, Known, Session
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import N8nNode
from statemachines.importers.n8n.graph import LinkGraph
from statemachines.importers.n8n.result import Level, TriggerSuggestion
from statemachines.importers.n8n.values import Port, Value

_CHAIN = "@n8n/n8n-nodes-langchain."
_BASE = "n8n-nodes-base."


@dataclass(frozen=True)
class TriggerKind:
    """Which trigger of Millrace stands for one of n8n's; `remark` is for the documentation."""

    type: str
    remark: str
    config: Callable[[N8nNode], dict[str, Any]]
    sent: bool = False
    """Whether n8n's item is what was sent, without headers and query around it."""


def _webhook(node: N8nNode) -> dict[str, Any]:
    return {
        "method": node.text("httpMethod", "GET"),
        "path": node.text("path"),
        "verify": node.text("authentication", "none"),
    }


def _cron(node: N8nNode) -> dict[str, Any]:
    rows = node.rows("triggerTimes.item") + node.rows("rule.interval")
    return (
        {"rules": [rule_text(each) for each in rows]}
        if rows
        else {"every": f"{node.get('interval', 1)} {node.text('unit', 'seconds')}"}
    )


def rule_text(rule: Mapping[str, Any]) -> dict[str, Any]:
    """One rule of a schedule: a cron expression where n8n has one, else its fields."""
    expression = rule.get("expression", rule.get("cronExpression"))
    return {"cron": expression} if isinstance(expression, str) else {key: rule[key] for key in sorted(rule)}


def _nothing(_: N8nNode) -> dict[str, Any]:
    return {}


KINDS: dict[str, TriggerKind] = {
    f"{_BASE}webhook": TriggerKind(
        "webhook", "`$json.body`, `.headers`, `.query` are read of `$input`; not `.params`.", _webhook
    ),
    f"{_BASE}formTrigger": TriggerKind(
        "webhook", "The form itself is not translated; `$json` is what was sent.", _nothing, sent=True
    ),
    f"{_CHAIN}chatTrigger": TriggerKind(
        "webhook", "`$json` is what was sent, such as `{chatInput, sessionId}`.", _nothing, sent=True
    ),
    f"{_BASE}scheduleTrigger": TriggerKind("schedule", "Rules are given as n8n has them.", _cron),
    f"{_BASE}cron": TriggerKind("schedule", "Rules are given as n8n has them.", _cron),
    f"{_BASE}interval": TriggerKind("schedule", "Given as n8n has it.", _cron),
    f"{_BASE}manualTrigger": TriggerKind("manual", "`millrace run`.", _nothing),
    f"{_BASE}start": TriggerKind("manual", "`millrace run`.", _nothing),
    f"{_BASE}executeWorkflowTrigger": TriggerKind(
        "workflow", "The items that n8n passes are one `$input` here.", _nothing
    ),
    f"{_BASE}errorTrigger": TriggerKind("event", "Executions that failed; the event's fields differ.", _nothing),
}


def is_trigger(node: N8nNode) -> bool:
    """Whether n8n starts workflows with this node."""
    return node.type in KINDS or node.type.lower().endswith("trigger")


def suggestions(session: Session) -> list[TriggerSuggestion]:
    """One for each trigger that is switched on; each is in the report, too."""
    found = []
    for node in session.document.nodes.values():
        if not is_trigger(node) or node.disabled:
            continue
        kind = KINDS.get(node.type)
        sample = next(iter(session.document.pinned.get(node.name, [])), None)
        if kind is None:
            message = "Millrace has no such trigger; the service must call a webhook."
            session.say(Level.TODO, "trigger.unknown", message, node, "Set up a webhook there, and look at `$input`.")
            found.append(TriggerSuggestion("webhook", node.name, {"service": node.type}, sample))
        else:
            session.say(Level.NOTE, "trigger", f"It became a suggestion for a trigger of type {kind.type}.", node)
            if node.text("responseMode") == "lastNode":
                message = (
                    "n8n answers with what the last node gives; Millrace answers at once, with the execution's id."
                )
                session.say(
                    Level.CHECK, "webhook.answer", message, node, "Let the caller fetch the execution's output."
                )
            found.append(TriggerSuggestion(kind.type, node.name, kind.config(node), sample))
    return found


def roots(session: Session, bench: Bench, graph: LinkGraph) -> dict[tuple[str, int], Port]:
    """The ports of what starts the workflow. Where triggers start different nodes, a condition tells them apart."""
    triggers = [node for node in session.document.nodes.values() if is_trigger(node) and not node.disabled]
    for node in triggers:
        session.values[node.name] = Known(_item(node), bench)
    targets = {
        node.name: frozenset((link.target, link.input) for link in graph.out.get(node.name, ())) for node in triggers
    }
    leading = [node for node in triggers if targets[node.name]]
    if len({targets[node.name] for node in leading}) <= 1:
        return {
            (node.name, link.output): Port(None, "true", _item(node))
            for node in leading
            for link in graph.out[node.name]
        }
    return _told_apart(session, bench, leading, graph)


def _item(node: N8nNode) -> Value:
    """What a trigger gives. A delivery's own data is in its body; an execution that is started by hand has it bare."""
    kind = KINDS.get(node.type)
    if kind is not None and kind.sent:
        return Value(Code("$exists($input.body) ? $input.body : $input", tight=False))
    return Value(c.variable("input"))


def _told_apart(
    session: Session, bench: Bench, triggers: list[N8nNode], graph: LinkGraph
) -> dict[tuple[str, int], Port]:
    """A condition on what started the execution; by hand, it is the manual trigger's way, or the first one's."""
    case_of = {node.name: KINDS[node.type].type if node.type in KINDS else "webhook" for node in triggers}
    cases = list(dict.fromkeys(case_of.values()))
    default = "manual" if "manual" in cases else cases[0]
    start = session.ids.make("which_trigger")
    tests = [
        {"case": case, "when": f"{{% $execution.trigger.type = '{case}' %}}"}
        for case in cases
        if case != default or len(cases) == 1
    ]
    config = {"cases": tests, "default": default}
    bench.add({"id": start, "type": "condition", "name": "Which trigger?", "config": config})
    for case in cases:
        same = [node for node in triggers if case_of[node.name] == case]
        for node in same[1:]:
            message = (
                f"Executions that it starts cannot be told from those of '{same[0].name}'; both go the ways of both."
            )
            session.say(Level.CHECK, "trigger.same", message, node, "Import one workflow for each trigger.")
    return {
        (node.name, link.output): Port(
            {"from": start, "case": case_of[node.name]},
            f'(${start}.case = "{case_of[node.name]}")',
            _item(node),
            {start: frozenset({case_of[node.name]})},
        )
        for node in triggers
        for link in graph.out[node.name]
    }
