"""The Lambda of the node type `approval`."""

from typing import Any

from shared.errors import NotImplementedYet


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A NodeCall with a task token in.

    Raises:
        NotImplementedYet: the Lambda has no store on AWS yet; approvals run on the local stage.
    """
    del event, context
    raise NotImplementedYet("Approvals do not run on AWS yet; they run on the local stage.")
