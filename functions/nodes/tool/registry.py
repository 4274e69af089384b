"""The tools that a `tool` node can call. A new tool is one file in tools/ with a `TOOL`; being there registers it."""

import difflib
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from functions.nodes.tool import tools
from shared.adapters.http.authorise import Requester
from shared.connections.kinds import Credentials
from shared.errors import ConnectionUnusable, NodeConfigInvalid
from shared.executions.starting import WorkflowStarts
from shared.ports import BlobStore, KeyValues
from shared.workflow.node_call import NodeCall
from shared.workflow.node_config import mistakes

_SUGGESTIONS = 3


TOKEN_KINDS = ("bearer", "oauth2_authorization_code")
HTTP_KINDS = (*TOKEN_KINDS, "basic", "api_key", "oauth2_client_credentials", "hmac")
"""The kinds of connections that authorise an HTTP request."""

REQUEST_ERRORS = (
    "AddressBlocked",
    "CircuitOpen",
    "ConnectionUnusable",
    "DestinationTimeout",
    "DestinationUnreachable",
    "NodeConfigInvalid",
    "ResponseTooLarge",
)
"""What sending a request may end with, whatever is answered."""

SERVICE_ERRORS = (*REQUEST_ERRORS, "DestinationRateLimited", "DestinationRefused", "DestinationServerError")
"""With what is made of answers of 400 and above."""


class Arguments(BaseModel):
    """The base of every tool's arguments: unknown names are mistakes, and so are values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


@dataclass(frozen=True, slots=True)
class ToolServices:
    """Stores of the stage that tools stand on; without one, its tools fail and say so."""

    objects: BlobStore | None = None
    values: KeyValues | None = None
    starts: WorkflowStarts | None = None


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What tools may use: guarded HTTP requests, the call with a key that is the same for every attempt, stores, and
    the credentials of the connection that the node names."""

    requester: Requester
    call: NodeCall
    services: ToolServices
    credentials: Credentials | None = None

    @property
    def idempotency_key(self) -> str:
        return self.call.idempotency_key


def check_api(context: ToolContext, api_url: str, model: type[Arguments]) -> None:
    """Whoever chooses `api_url`, perhaps a model, must not get at the credentials by it.

    Raises:
        ConnectionUnusable: it is not the model's default, and the connection does not say where it may go.
    """
    usual = model.model_fields["api_url"].default
    if api_url != usual and not getattr(context.credentials, "hosts", ()):
        raise ConnectionUnusable(
            f"`api_url` is not {usual}; for another one the connection must name its host in `hosts`."
        )


@dataclass(frozen=True, slots=True)
class Tool(Generic[ArgumentsT]):
    """A tool: `summary` is one line for people and models, `raises` the NodeErrors that it may end with."""

    name: str
    summary: str
    arguments: type[ArgumentsT]
    run: Callable[[ArgumentsT, ToolContext], Awaitable[Any]]
    raises: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    """The kinds of connections that it can use."""

    def check(self, credentials: Credentials | None) -> None:
        """Raises ConnectionUnusable where they are of a kind that this tool cannot use."""
        if credentials is not None and credentials.kind not in self.connections:
            takes = f"one of the kinds {', '.join(self.connections)}" if self.connections else "none"
            raise ConnectionUnusable(
                f"The tool '{self.name}' cannot use a connection of the kind '{credentials.kind}'; it takes {takes}.",
                tool=self.name,
            )

    def parse(self, arguments: Any) -> ArgumentsT:
        """The arguments as this tool's model.

        Raises:
            NodeConfigInvalid: they do not fit; the message lists every mistake, and what the tool takes.
        """
        try:
            return self.arguments.model_validate(arguments)
        except ValidationError as error:
            found = mistakes(error)
            takes = ", ".join(self.arguments.model_fields)
            raise NodeConfigInvalid(
                f"The arguments of the tool '{self.name}' are not valid: {'; '.join(found)}. It takes {takes}.",
                tool=self.name,
                mistakes=found,
            ) from None


@cache
def catalogue() -> Mapping[str, Tool[Any]]:
    """Every tool by its name, in order."""
    modules = [
        importlib.import_module(f"{tools.__name__}.{each.name}") for each in pkgutil.iter_modules(tools.__path__)
    ]
    return {tool.name: tool for tool in sorted((module.TOOL for module in modules), key=lambda tool: tool.name)}


def specs() -> list[dict[str, Any]]:
    """The catalogue as data; see shared.workflow.tool_catalogue."""
    return [
        {
            "name": tool.name,
            "summary": tool.summary,
            "arguments": tool.arguments.model_json_schema(),
            "raises": sorted(tool.raises),
            "connections": list(tool.connections),
        }
        for tool in catalogue().values()
    ]


def find(name: str) -> Tool[Any]:
    """The tool of this name. Raises NodeConfigInvalid with the nearest names where there is none."""
    known = catalogue()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=_SUGGESTIONS)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(known)}."
    raise NodeConfigInvalid(f"There is no tool '{name}'. {hint}", tool=name)
