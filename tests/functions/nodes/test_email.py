"""`email.send` against a real SMTP server."""

import email.policy
from contextlib import contextmanager

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr

from functions.nodes.tool.core import ToolDeps, run
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient
from shared.connections.kinds import Bearer, Smtp
from shared.egress import EgressPolicy
from shared.errors import (
    AddressBlocked,
    ConnectionUnusable,
    DestinationRefused,
    DestinationServerError,
    DestinationUnreachable,
    NodeConfigInvalid,
)
from tests.support.stage import free_port

PASSWORD = "smtp-s3cret"


class Mailbox:
    """Keeps what arrives; refuses recipients at `nowhere.example`, and is busy where `busy` says so."""

    def __init__(self) -> None:
        self.messages = []
        self.envelopes = []
        self.busy = False

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's interface
        if address.endswith("@nowhere.example"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's interface
        if self.busy:
            return "451 4.3.0 try later"
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@contextmanager
def mail_server(**options):
    mailbox = Mailbox()
    mailbox.port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **options)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@pytest.fixture
def mailbox():
    with mail_server() as mailbox:
        yield mailbox


def server_at(port, **fields):
    base = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "Millrace <bot@example.com>"}
    return Smtp.model_validate(base | fields)


@pytest.fixture
def send(node_call):
    async def _send(credentials, allowed="127.0.0.1", **arguments):
        arguments = {"to": ["a@example.com"], "subject": "Hello", "text": "Grüße", **arguments}
        async with GuardedClient(EgressPolicy.parse(allowed)) as client:
            call = node_call("tool", {"tool": "email.send", "arguments": arguments})
            return (await run(call, ToolDeps(Requester(client)), credentials=credentials)).output

    return _send


async def test_a_message_arrives(send, mailbox):
    options = {"cc": ["c@example.com"], "bcc": ["secret@example.com"], "html": "<p>Grüße</p>"}
    output = await send(server_at(mailbox.port), subject="Grüße", reply_to="r@example.com", **options)
    [message] = mailbox.messages
    assert (message["subject"], message["from"], message["to"]) == (
        "Grüße",
        "Millrace <bot@example.com>",
        "a@example.com",
    )
    assert (message["cc"], message["reply-to"], message["bcc"]) == ("c@example.com", "r@example.com", None)
    assert message.get_body(("plain",)).get_content().strip() == "Grüße"
    assert message.get_body(("html",)).get_content().strip() == "<p>Grüße</p>"
    assert mailbox.envelopes == [("bot@example.com", ["a@example.com", "c@example.com", "secret@example.com"])]
    assert output == {"message_id": message["message-id"], "refused": []}


async def test_a_retry_has_the_same_message_id(send, mailbox):
    for _ in range(2):
        await send(server_at(mailbox.port))
    assert len({message["message-id"] for message in mailbox.messages}) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_server_that_wants_to_know_who_asks(send):
    def known(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"bot", PASSWORD.encode()), handled=False)

    with mail_server(authenticator=known, auth_required=True, auth_require_tls=False) as mailbox:
        await send(server_at(mailbox.port, username="bot", password=SecretStr(PASSWORD)))
        assert len(mailbox.messages) == 1
        with pytest.raises(ConnectionUnusable, match="user name and password") as caught:
            await send(server_at(mailbox.port, username="bot", password=SecretStr("wr0ng-s3cret")))
        assert "s3cret" not in caught.value.message
        with pytest.raises(DestinationRefused, match="530"):
            await send(server_at(mailbox.port))


async def test_recipients_that_are_refused(send, mailbox):
    output = await send(server_at(mailbox.port), to=["a@example.com", "x@nowhere.example"])
    assert output["refused"] == ["x@nowhere.example"]
    with pytest.raises(DestinationRefused, match="no such mailbox"):
        await send(server_at(mailbox.port), to=["x@nowhere.example"])


async def test_a_server_that_is_busy_may_be_asked_again(send, mailbox):
    mailbox.busy = True
    with pytest.raises(DestinationServerError, match="451"):
        await send(server_at(mailbox.port))


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_without_the_tls_that_it_asks_for_nothing_is_sent(send, mailbox, security):
    with pytest.raises(ConnectionUnusable):
        await send(server_at(mailbox.port, security=security, username="bot", password=SecretStr(PASSWORD)))
    assert mailbox.messages == []


async def test_nobody_there(send):
    with pytest.raises(DestinationUnreachable):
        await send(server_at(free_port()))


async def test_a_private_mail_server_has_to_be_allowed(send, mailbox):
    with pytest.raises(AddressBlocked):
        await send(server_at(mailbox.port), allowed="")
    assert mailbox.messages == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"to": []},
        {"to": ["a@example.com\r\nBcc: x@example.com"]},
        {"to": ["a@example.com, b@example.com"]},
        {"subject": "Hello\r\nBcc: x@example.com"},
        {"reply_to": "nobody"},
    ],
)
async def test_headers_cannot_be_smuggled_in(send, mailbox, arguments):
    with pytest.raises(NodeConfigInvalid):
        await send(server_at(mailbox.port), **arguments)
    assert mailbox.messages == []


async def test_another_kind_of_connection(send, mailbox):
    with pytest.raises(ConnectionUnusable, match="smtp"):
        await send(Bearer(token=SecretStr("x")))
