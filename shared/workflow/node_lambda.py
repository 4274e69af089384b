"""What the Lambda of every node type does around its core: parse the call, run it, name the failure."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from shared.errors import NodeBug, NodeError
from shared.observability import bind
from shared.workflow.node_call import NodeCall, NodeResult

log = logging.getLogger(__name__)


async def answer(event: dict[str, Any], run: Callable[[NodeCall], Awaitable[NodeResult]]) -> dict[str, Any]:
    """A NodeResult as a dict. Step Functions reads the class name of what is raised as the error's name.

    Raises:
        NodeError: the node failed. What a core did not expect becomes NodeBug: its details go to the log, not to the
            execution's history, since they may hold anything.
    """
    try:
        call = NodeCall.model_validate(event)
    except ValidationError as error:
        raise NodeBug(f"The event is not a node call: {error.errors(include_input=False, include_url=False)}") from None
    ids = {"execution_id": call.execution.id, "correlation_id": call.execution.correlation_id, "node_id": call.node}
    with bind(**ids):
        try:
            result = await run(call)
        except NodeError:
            raise
        except Exception as error:
            log.exception("node failed with an unexpected error")
            raise NodeBug(f"The code of node '{call.node}' failed with {type(error).__name__}; see its log.") from None
    return {"output": result.output, "meta": result.meta}
