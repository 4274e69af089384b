"""A node's evaluated config as its model: the shape was checked when publishing, the values only exist now."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import NodeConfigInvalid
from shared.workflow.node_call import NodeCall

ModelT = TypeVar("ModelT", bound=BaseModel)


def config_of(call: NodeCall, model: type[ModelT]) -> ModelT:
    """The config of a call.

    Raises:
        NodeConfigInvalid: an expression gave a value that the config does not allow; every mistake is named, no value.
    """
    try:
        return model.model_validate(call.config)
    except ValidationError as error:
        raise NodeConfigInvalid(
            f"The config of the {call.type} node '{call.node}' is not valid: {'; '.join(mistakes(error))}."
        ) from None


def mistakes(error: ValidationError) -> list[str]:
    """Where and what, without the values: those may be secret, or large."""
    return [
        f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in error.errors(include_input=False)
    ]
