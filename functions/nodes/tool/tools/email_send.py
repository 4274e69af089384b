"""`email.send`: a message by SMTP, from the sender of its connection."""

import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.connections.kinds import Smtp
from shared.errors import ConnectionUnusable, NodeConfigInvalid

Email = Annotated[str, StringConstraints(pattern=r"^[^@\s,;<>\"\x00-\x1f]+@[A-Za-z0-9.-]+$", max_length=254)]
Line = Annotated[str, StringConstraints(pattern=r"^[^\r\n\x00]*$", max_length=998)]


class EmailArguments(Arguments):
    to: list[Email] = Field(min_length=1, max_length=50)
    cc: list[Email] = Field(default_factory=list, max_length=50)
    bcc: list[Email] = Field(default_factory=list, max_length=50)
    reply_to: Email | None = None
    subject: Line = Field(description="One line.")
    text: str = Field(default="", max_length=1_000_000)
    html: str | None = Field(default=None, max_length=1_000_000, description="What programs that can show it show.")


async def run(arguments: EmailArguments, context: ToolContext) -> dict[str, Any]:
    """`{message_id, refused}`: recipients that the server refused, where it took the message for others."""
    from shared.adapters.http.mail import send  # noqa: PLC0415 - few calls send mail

    if not isinstance(context.credentials, Smtp):
        raise ConnectionUnusable("email.send needs a `connection` of the kind smtp.")
    message = _message(arguments, context.credentials, context.idempotency_key)
    recipients = [*arguments.to, *arguments.cc, *arguments.bcc]
    refused = await send(context.requester.client, context.credentials, message, recipients)
    return {"message_id": message["Message-ID"], "refused": refused}


def _message(arguments: EmailArguments, server: Smtp, key: str) -> EmailMessage:
    """A retry has the same Message-ID, by which many servers and programs drop a second copy."""
    message = EmailMessage()
    sender = server.sender.rpartition("<")[2].rstrip(">").strip()
    try:
        name = server.sender.rpartition("<")[0].strip().strip('"')
        message["From"] = Address(name, addr_spec=sender)
    except ValueError as error:
        raise ConnectionUnusable(f"The connection's `sender` is no address: {error}.") from None
    try:
        message["To"] = ", ".join(arguments.to)
        if arguments.cc:
            message["Cc"] = ", ".join(arguments.cc)
        if arguments.reply_to:
            message["Reply-To"] = arguments.reply_to
        message["Subject"] = arguments.subject
        message["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"
        message.set_content(arguments.text)
    except (ValueError, IndexError) as error:
        raise NodeConfigInvalid(f"The message cannot be written: {error}.") from None
    if arguments.html is not None:
        message.add_alternative(arguments.html, subtype="html")
    return message


TOOL = Tool(
    name="email.send",
    summary="Sends an e-mail.",
    arguments=EmailArguments,
    run=run,
    connections=("smtp",),
    raises=(
        "AddressBlocked",
        "ConnectionUnusable",
        "DestinationRefused",
        "DestinationServerError",
        "DestinationTimeout",
        "DestinationUnreachable",
        "NodeConfigInvalid",
    ),
)
