"""One message to a mail server, behind the egress policy: the connection goes to an address that was checked.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 (TLS from the start)
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPTimeoutError,
)

from shared.adapters.http.client import GuardedClient
from shared.connections.kinds import Smtp
from shared.errors import (
    ConnectionUnusable,
    DestinationRefused,
    DestinationServerError,
    DestinationTimeout,
    DestinationUnreachable,
    NodeError,
)

_TEMPORARY = range(400, 500)
"""In SMTP, 4yz may succeed later and 5yz will not; RFC 5321, 4.2.1."""


async def send(
    client: GuardedClient, server: Smtp, message: EmailMessage, recipients: list[str], seconds: float = 30.0
) -> list[str]:
    """Hands the message over for all recipients; those that the server refused, where it took it for others.

    Raises:
        AddressBlocked, DestinationUnreachable, DestinationTimeout: no connection.
        ConnectionUnusable: the server refuses user name and password, or has no TLS.
        DestinationServerError: the server cannot take it now (4yz).
        DestinationRefused: the server does not take it (5yz).
    """
    async with _named(server, seconds), _session(client, server, seconds) as smtp:
        sender = message["From"].addresses[0].addr_spec
        refused, _ = await smtp.send_message(message, sender=sender, recipients=recipients)
        await smtp.quit()
        return sorted(refused)


async def check(client: GuardedClient, server: Smtp, seconds: float = 15.0) -> None:
    """Signs in and leaves again. Raises as `send`."""
    async with _named(server, seconds), _session(client, server, seconds) as smtp:
        await smtp.noop()
        await smtp.quit()


@asynccontextmanager
async def _named(server: Smtp, seconds: float) -> AsyncIterator[None]:
    """What goes wrong inside, as an error of a node."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except NodeError:
        raise
    except (TimeoutError, SMTPTimeoutError):
        raise DestinationTimeout(f"{server.host} did not take it in {seconds:.0f} s.") from None
    except ssl.SSLError as error:
        raise ConnectionUnusable(f"TLS with {server.host} fails: {error.reason}.") from None
    except SMTPNotSupported as error:
        raise ConnectionUnusable(
            f"{server.host} does not speak what the connection asks for: {error.message}"
        ) from None
    except SMTPAuthenticationError:
        raise ConnectionUnusable(f"{server.host} refuses the connection's user name and password.") from None
    except SMTPRecipientsRefused as error:
        raise _refused(server, error.recipients[0].code, error.recipients[0].message) from None
    except SMTPResponseException as error:
        raise _refused(server, error.code, error.message) from None
    except (SMTPException, OSError) as error:
        if isinstance(error.__cause__, ssl.SSLError):
            raise ConnectionUnusable(f"TLS with {server.host} fails: {error.__cause__.reason}.") from None
        raise DestinationUnreachable(f"The mail server {server.host} does not answer: {error}.") from None


@asynccontextmanager
async def _session(client: GuardedClient, server: Smtp, seconds: float) -> AsyncIterator[SMTP]:
    """Connected, encrypted and signed in, as the connection says."""
    connection = await _connected(client, server)
    encrypted = server.security == "tls"
    smtp = SMTP(hostname=server.host, sock=connection, use_tls=encrypted, start_tls=False, timeout=seconds)
    try:
        await smtp.connect()
        if server.security == "starttls":
            await smtp.ehlo()
            if not smtp.supports_extension("starttls"):
                raise ConnectionUnusable(f"{server.host} does not speak STARTTLS, which the connection asks for.")
            await smtp.starttls(server_hostname=server.host)
        if server.username is not None and server.password is not None:
            await smtp.login(server.username, server.password.get_secret_value())
        yield smtp
    finally:
        smtp.close()
        connection.close()


async def _connected(client: GuardedClient, server: Smtp) -> socket.socket:
    last: OSError | None = None
    for address in await client.addresses(server.host, server.port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (address, server.port))
        except OSError as error:
            connection.close()
            last = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise last or OSError("no address")


def _refused(server: Smtp, code: int, said: str) -> DestinationServerError | DestinationRefused:
    kind = DestinationServerError if code in _TEMPORARY else DestinationRefused
    return kind(f"{server.host} does not take the message: {code} {' '.join(said.split())[:300]}", status=code)
