"""`slack.post_message`: a message to a channel, a thread or a person of Slack.

Source: https://docs.slack.dev/reference/methods/chat.postMessage
"""

from typing import Any

from pydantic import Field

from functions.nodes.tool.registry import SERVICE_ERRORS, TOKEN_KINDS, Arguments, Tool, ToolContext, check_api
from shared.adapters.http.exchange import Limits
from shared.adapters.http.request import compose
from shared.errors import (
    ConnectionUnusable,
    DestinationRateLimited,
    DestinationRefused,
    DestinationServerError,
    NodeConfigInvalid,
)

_LIMITS = Limits(body_bytes=1_000_000, total_seconds=30.0)
_LATER = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})


class SlackArguments(Arguments):
    channel: str = Field(min_length=1, max_length=100, description="Its id or #name, or the id of a person.")
    text: str = Field(default="", max_length=40_000, description="Slack's markup; with `blocks` what a notice shows.")
    blocks: list[dict[str, Any]] = Field(default_factory=list, max_length=50, description="Block Kit, if any.")
    thread_ts: str | None = Field(default=None, description="`ts` of the message to answer.")
    api_url: str = Field(default="https://slack.com/api", description="Of another Slack, such as GovSlack.")


async def run(arguments: SlackArguments, context: ToolContext) -> dict[str, Any]:
    """`{channel, ts}` of the message."""
    if context.credentials is None:
        raise ConnectionUnusable("slack.post_message needs a `connection` of the kind bearer, with a bot's token.")
    if not arguments.text and not arguments.blocks:
        raise NodeConfigInvalid("The message is empty; give `text`, or `blocks`.")
    check_api(context, arguments.api_url, SlackArguments)
    message: dict[str, Any] = {"channel": arguments.channel, "text": arguments.text}
    message |= {"blocks": arguments.blocks} if arguments.blocks else {}
    message |= {"thread_ts": arguments.thread_ts} if arguments.thread_ts else {}
    request = compose("POST", f"{arguments.api_url.rstrip('/')}/chat.postMessage", body=message)
    answer = await context.requester.send(request, _LIMITS, context.credentials)
    answer.raise_for_status()
    said, _ = answer.content()
    if not isinstance(said, dict) or said.get("ok") is not True:
        raise _failure(said.get("error") if isinstance(said, dict) else None)
    return {"channel": said.get("channel"), "ts": said.get("ts")}


def _failure(code: Any) -> DestinationRefused | DestinationRateLimited | DestinationServerError:
    """Slack says 200 for most failures, with a code."""
    message = f"Slack refuses the message: {str(code)[:100]}."
    if code == "ratelimited":
        return DestinationRateLimited(message, slack_error=code)
    return (DestinationServerError if code in _LATER else DestinationRefused)(message, slack_error=code)


TOOL = Tool(
    name="slack.post_message",
    summary="Posts a message to Slack.",
    arguments=SlackArguments,
    run=run,
    connections=TOKEN_KINDS,
    raises=SERVICE_ERRORS,
)
