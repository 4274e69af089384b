"""The HTTP client behind the egress policy: one resolution, a pinned address, the name kept for Host and TLS."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.adapters.http.answer import Answer
from shared.adapters.http.client import GuardedClient, parsed, target_of
from shared.adapters.http.exchange import Limits, exchange
from shared.adapters.http.request import compose
from shared.egress import EgressPolicy, Target
from shared.errors import AddressBlocked, DestinationUnreachable
from tests.support.hostile import hostile_server


class Resolver:
    """Gives one answer after the other, and the last one from then on."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def get(client: GuardedClient, url: str) -> Answer:
    return await exchange(client, compose("GET", url), Limits(100_000, total_seconds=5))


LOOPBACK_ONE = EgressPolicy.parse("127.0.0.1")


def test_it_is_put_together_before_an_event_loop_runs():
    client = GuardedClient(LOOPBACK_ONE)  # as a Lambda does while it starts

    async def used() -> int:
        async with hostile_server() as server, client:
            return (await get(client, f"{server.url}/echo")).status

    with asyncio.Runner() as runner:
        assert runner.run(used()) == 200


async def test_the_name_is_resolved_once_and_kept_in_the_host_header():
    resolver = Resolver(["127.0.0.1"])
    async with hostile_server() as server, GuardedClient(LOOPBACK_ONE, resolver) as client:
        port = int(server.url.rpartition(":")[2])
        answer = await get(client, f"http://ledger.test:{port}/echo")
    assert resolver.asked == [("ledger.test", port)]
    assert answer.content()[0]["headers"]["host"] == f"ledger.test:{port}"


async def test_a_second_answer_of_the_dns_is_checked_like_the_first():
    resolver = Resolver(["127.0.0.1"], ["127.0.0.2"])
    async with hostile_server() as server, GuardedClient(LOOPBACK_ONE, resolver) as client:
        url = f"http://rebind.test:{server.url.rpartition(':')[2]}/echo"
        await get(client, url)
        await get(client, url)  # on the connection that was checked
        assert (server.connections, len(resolver.asked)) == (1, 1)
        with pytest.raises(AddressBlocked, match=r"127\.0\.0\.2"):
            await get(client, url.replace("rebind.test", "rebind.test."))


async def test_a_refused_address_among_permitted_ones_is_not_tried():
    resolver = Resolver(["10.0.0.1", "127.0.0.1"])
    async with hostile_server() as server, GuardedClient(LOOPBACK_ONE, resolver) as client:
        answer = await get(client, f"http://two.test:{server.url.rpartition(':')[2]}/echo")
    assert answer.status == 200


async def test_the_next_address_is_tried_where_one_does_not_answer():
    policy = EgressPolicy.parse("127.0.0.0/8,::1")
    resolver = Resolver(["127.0.0.9", "::1", "127.0.0.1"])
    async with hostile_server() as server, GuardedClient(policy, resolver) as client:
        answer = await get(client, f"http://many.test:{server.url.rpartition(':')[2]}/echo")
    assert answer.status == 200


async def test_a_name_that_does_not_resolve():
    async def unknown(*_):
        raise OSError(-2, "Name or service not known")

    async with GuardedClient(LOOPBACK_ONE, unknown) as client:
        with pytest.raises(DestinationUnreachable, match=r"nowhere\.test does not resolve"):
            await get(client, "http://nowhere.test/")


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    async with hostile_server() as proxy, hostile_server() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with GuardedClient(LOOPBACK_ONE) as client:
            await get(client, f"{server.url}/echo")
    assert (proxy.connections, server.connections) == (0, 1)


async def test_ipv6():
    async with hostile_server("::1") as server:
        async with GuardedClient(EgressPolicy.parse("::1")) as client:
            assert (await get(client, f"{server.url}/echo")).status == 200
        async with GuardedClient(LOOPBACK_ONE) as client:
            with pytest.raises(AddressBlocked):
                await get(client, f"{server.url}/echo")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://Example.COM/", Target("http", "example.com", 80)),
        ("https://example.com/", Target("https", "example.com", 443)),
        ("https://münchen.example:8443/", Target("https", "xn--mnchen-3ya.example", 8443)),
        ("http://[::1]:81/", Target("http", "::1", 81)),
        ("http://u@example.com/", Target("http", "example.com", 80, has_credentials=True)),
        ("http://127.0.0.1#@good.example/", Target("http", "127.0.0.1", 80)),
        ("http://127.0.0.1?@good.example/", Target("http", "127.0.0.1", 80)),
        ("file:///etc/passwd", Target("file", "", 0)),
    ],
)
def test_what_a_url_names(url, target):
    assert target_of(parsed(url)) == target


@pytest.mark.parametrize("text", ["http://good.example\\@127.0.0.1/", "http://[nowhere", "http://host:port/"])
def test_what_is_no_url(text):
    with pytest.raises(ValueError, match="Invalid"):
        parsed(text)


@pytest.mark.parametrize("query", ["a=%2F&b=%7e", "sig=AB%2bC%3D%3d", "list[0]=1&x=a+b"])
async def test_a_url_is_sent_as_it_was_written_because_it_may_be_signed(query):
    async with hostile_server() as server, GuardedClient(LOOPBACK_ONE) as client:
        await get(client, f"{server.url}/echo?{query}")
    assert server.seen[0].path == f"/echo?{query}"


async def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path):
    server_tls, client_tls = _tls("ledger.test", tmp_path)
    names: list[str | None] = []
    server_tls.sni_callback = lambda _socket, name, _context: names.append(name)
    async with hostile_server(tls=server_tls) as server:
        port = server.url.rpartition(":")[2]
        async with GuardedClient(LOOPBACK_ONE, Resolver(["127.0.0.1"]), tls=client_tls) as client:
            assert (await get(client, f"https://ledger.test:{port}/echo")).status == 200
            with pytest.raises(DestinationUnreachable, match=r"CERTIFICATE_VERIFY_FAILED.*other\.test"):
                await get(client, f"https://other.test:{port}/echo")
    assert names == ["ledger.test", "other.test"]


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    server_tls, _ = _tls("ledger.test", tmp_path)
    resolver = Resolver(["127.0.0.1"])
    async with hostile_server(tls=server_tls) as server, GuardedClient(LOOPBACK_ONE, resolver) as client:
        with pytest.raises(DestinationUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
            await get(client, f"https://ledger.test:{server.url.rpartition(':')[2]}/echo")


def _tls(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS settings of a server with a certificate for `name`, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(pem) + private)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=certificate.public_bytes(pem).decode())
    return server, client
