"""Execute Workflow: another workflow of the project."""

from collections.abc import Mapping
from typing import Any

from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import N8nNode
from statemachines.importers.n8n.effects import effect
from statemachines.importers.n8n.names import slug
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.result import Level
from statemachines.importers.n8n.work import Work

_WITH_INPUTS = 1.2
_TODO = "Import that workflow too, and name it in a `workflow` node."


@translates(
    "n8n-nodes-base.executeWorkflow",
    becomes="`workflow`",
    remarks="From the list or by id; the other workflow is named after n8n's name for it. Once for each item.",
)
def execute_workflow(work: Work) -> None:
    """A nested workflow, once for each item."""
    node = work.node
    if node.text("source", "database") != "database":
        raise Untranslatable("the other workflow is not in n8n's database", _TODO)
    name = workflow_name(node, "workflowId")
    waits = node.get("options.waitForSubWorkflow", True) is not False
    message = f"It runs the workflow '{name}', which must be imported under this name."
    work.say(Level.TODO, "workflow.name", message, _TODO)
    if work.input.many and node.text("mode", "once") == "once":
        message = "n8n runs the other workflow once with all items; here it runs once for each."
        work.say(Level.CHECK, "workflow.each", message)

    def config(place: Place) -> Mapping[str, Any]:
        return {"workflow": name, "input": _input(work, place).template(), **({} if waits else {"wait": False})}

    if waits:
        effect(work, "workflow", config, lambda whole: whole, one_by_one=True)
    else:
        effect(work, "workflow", config, lambda whole: whole)


def workflow_name(node: N8nNode, path: str) -> str:
    """What the other workflow is called here. Raises Untranslatable where that is computed when it runs."""
    raw = node.get(path)
    if isinstance(raw, dict):
        cached, identifier = raw.get("cachedResultName"), raw.get("value")
        raw = cached if isinstance(cached, str) and cached else identifier
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str) or not raw or raw.startswith("="):
        raise Untranslatable("which workflow it runs is empty or computed", _TODO)
    return slug(raw.rsplit("/", 1)[-1], "n8n-workflow")


def _input(work: Work, place: Place) -> Code:
    node = work.node
    given = node.get("workflowInputs.value")
    if node.version >= _WITH_INPUTS and isinstance(given, dict) and given:
        return work.code(given, place)
    return place.current
