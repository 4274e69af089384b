"""Code, Function and Function Item: only where they are a plain mapping of the items."""

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.document import N8nNode
from statemachines.importers.n8n.javascript import mapping
from statemachines.importers.n8n.problems import NotSimple, Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.values import Value
from statemachines.importers.n8n.work import Work

_TODO = "Rewrite it as JSONata in this node's `output`, or as a tool that the node `tool` calls."
_FUNCTION_ITEM = "n8n-nodes-base.functionItem"


@translates(
    "n8n-nodes-base.code",
    "n8n-nodes-base.function",
    _FUNCTION_ITEM,
    becomes="`transform`",
    remarks="JavaScript that only maps items: `return items.map(…)`, assignments to `item.json`, constants. All else, "
    "and Python, is a placeholder.",
)
def code_node(work: Work) -> None:
    """A transform that gives what the script returns."""
    if work.node.text("language", "javaScript") != "javaScript":
        raise Untranslatable("it is written in Python", _TODO)
    source = work.node.text("jsCode") or work.node.text("functionCode")
    place = work.item_place()
    try:
        bare = work.node.type == _FUNCTION_ITEM
        found = mapping(source, work.place(), place, each=_runs_for_each(work.node), bare=bare)
    except NotSimple as problem:
        raise Untranslatable(f"its code is more than a plain mapping: {problem}", _TODO) from None
    if found.shape == "each":
        work.each(lambda _: found.code)
    elif found.shape == "one":
        work.transform(Value(found.code))
    else:
        work.transform(Value(c.listed(found.code), many=True))
        work.only_some(0)


def _runs_for_each(node: N8nNode) -> bool:
    return node.type == _FUNCTION_ITEM or node.text("mode") == "runOnceForEachItem"
