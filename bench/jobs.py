"""The jobs that are measured, each a workflow behind a webhook that answers with the execution's output.

W5        webhook → transform → condition → HTTP call to a loopback echo → transform → aggregate → answer
W5-pure   the same without the HTTP call: a transform gives what the service would have given
CHAIN50   50 tool calls one after the other, each result on disk before the next begins
CHAIN50-pass  50 transforms, one state each (`optimize: false`): the cost of a state alone
FAN20     20 tool calls at once, joined
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.workflow.load import load_text

W5 = Path(__file__).parent.parent / "examples" / "w5" / "workflow.yaml"
RECEIVER_URL = "http://127.0.0.1:8099"
"""The address that the examples call; replaced by the benchmark's own receiver."""

Job = Callable[[str], dict[str, Any]]
"""A workflow definition for the address of the receiver."""


def w5(receiver_url: str) -> dict[str, Any]:
    """The example as it is."""
    return _object(W5.read_text().replace(RECEIVER_URL, receiver_url))


def w5_pure(receiver_url: str) -> dict[str, Any]:
    """W5 with the answer of the service made by a transform."""
    definition = w5(receiver_url)
    answer = {"output": {"body": {"body": {"order": "{% $price.order %}", "total": "{% $price.total %}"}}}}
    nodes = [
        {"id": "quote", "type": "transform", "config": answer} if node["id"] == "quote" else node
        for node in definition["nodes"]
    ]
    return definition | {"name": "w5-pure", "nodes": nodes}


def chain50(_: str) -> dict[str, Any]:
    """Each call reads the output of the one before."""
    return _chain("chain50", lambda index, before: _tool(f"step{index}", before), optimize=True)


def chain50_pass(_: str) -> dict[str, Any]:
    """Each transform counts on."""
    return _chain("chain50-pass", _transform, optimize=False)


def fan20(_: str) -> dict[str, Any]:
    """Twenty branches into one."""
    branches = [_tool(f"step{index}", "$input.body.order") for index in range(20)]
    total = " + ".join(f"$count($step{index})" for index in range(20))
    joined = {"id": "joined", "type": "transform", "config": {"output": f"{{% {total} %}}"}}
    edges = [{"from": branch["id"], "to": "joined"} for branch in branches]
    return {"name": "fan20", "nodes": [*branches, joined], "edges": edges, "output": "{% $joined %}"}


JOBS: dict[str, Job] = {
    "W5": w5,
    "W5-pure": w5_pure,
    "CHAIN50": chain50,
    "CHAIN50-pass": chain50_pass,
    "FAN20": fan20,
}


def _chain(name: str, node: Callable[[int, str], dict[str, Any]], *, optimize: bool) -> dict[str, Any]:
    nodes = [node(index, f"$step{index - 1}" if index else "$input.body.order") for index in range(50)]
    edges = [{"from": f"step{index}", "to": f"step{index + 1}"} for index in range(49)]
    settings = {"optimize": optimize}
    return {"name": name, "settings": settings, "nodes": nodes, "edges": edges, "output": "{% $step49 %}"}


def _transform(index: int, before: str) -> dict[str, Any]:
    return {"id": f"step{index}", "type": "transform", "config": {"output": f"{{% {before} + 1 %}}"}}


def _tool(name: str, before: str) -> dict[str, Any]:
    text = f'{{% "order,before\\n1," & $string($count({before})) %}}'
    return {"id": name, "type": "tool", "config": {"tool": "csv.parse", "arguments": {"text": text}}}


def _object(text: str) -> dict[str, Any]:
    found = load_text(text)
    if not isinstance(found, dict):
        raise TypeError("the example is no object")
    return found
