"""The egress policy: what workflows may never reach, however it is written."""

import socket
from ipaddress import ip_address

import pytest

from shared.egress import EgressPolicy, Target, is_public
from shared.errors import AddressBlocked, ConfigInvalid

PUBLIC_ONLY = EgressPolicy()

BLOCKED_ADDRESSES = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "the whole of 127/8"),
    ("0.0.0.0", "this host"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private, last"),
    ("192.168.1.1", "private"),
    ("100.64.0.1", "carrier-grade NAT"),
    ("100.100.100.200", "Alibaba's metadata"),
    ("169.254.169.254", "metadata"),
    ("169.254.170.2", "ECS credentials"),
    ("168.63.129.16", "Azure WireServer, a public address"),
    ("192.0.0.192", "Oracle's metadata"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relay"),
    ("198.18.0.1", "benchmarking"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast, SSDP"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::127.0.0.1", "IPv4-compatible"),
    ("::ffff:127.0.0.1", "IPv4-mapped loopback"),
    ("::ffff:169.254.169.254", "IPv4-mapped metadata"),
    ("::ffff:a00:1", "IPv4-mapped private, in hexadecimal"),
    ("::ffff:0:127.0.0.1", "IPv4-translated"),
    ("64:ff9b::7f00:1", "NAT64 of loopback"),
    ("64:ff9b::169.254.169.254", "NAT64 of metadata"),
    ("64:ff9b:1::808:808", "NAT64 for local use"),
    ("2002:7f00:1::", "6to4 of loopback"),
    ("2002:808:808::", "6to4 of a public address: the relay could be anyone's"),
    ("2001::1", "Teredo"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation, new"),
    ("2606:4700::5efe:7f00:1", "ISATAP of loopback"),
    ("fc00::1", "unique local"),
    ("fd00:ec2::254", "AWS metadata"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local with a zone"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
    ("100::1", "discard"),
    ("5f00::1", "segment routing"),
]

PUBLIC_ADDRESSES = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "192.0.1.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize(("address", "why"), BLOCKED_ADDRESSES)
def test_an_address_that_is_not_public_is_refused(address, why):
    with pytest.raises(AddressBlocked):
        PUBLIC_ONLY.permitted("innocent.example", 443, [address])


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_is_permitted(address):
    assert PUBLIC_ONLY.permitted("innocent.example", 443, [address]) == [address]


@pytest.mark.parametrize(
    "written", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "017700000001", "127.0.1", "0"]
)
def test_other_ways_to_write_loopback_resolve_to_what_is_refused(written):
    resolved = [str(sockaddr[0]) for *_, sockaddr in socket.getaddrinfo(written, 80, type=socket.SOCK_STREAM)]
    with pytest.raises(AddressBlocked):
        PUBLIC_ONLY.permitted(written, 80, resolved)


def test_of_mixed_addresses_only_the_public_ones_are_left():
    assert PUBLIC_ONLY.permitted("mixed.example", 443, ["10.0.0.1", "8.8.8.8", "8.8.8.8", "::1"]) == ["8.8.8.8"]


def test_no_address_at_all_is_refused():
    with pytest.raises(AddressBlocked, match="resolves to nothing"):
        PUBLIC_ONLY.permitted("nowhere.example", 443, [])


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "unix", "data", "ws", "dict", ""])
def test_only_http_and_https(scheme):
    with pytest.raises(AddressBlocked, match="use http or https"):
        PUBLIC_ONLY.check_target(Target(scheme, "example.com", 80))


def test_credentials_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(AddressBlocked, match="user name or password") as caught:
        PUBLIC_ONLY.check_target(Target("https", "example.com", 443, has_credentials=True))
    assert "header" in caught.value.message


@pytest.mark.parametrize(
    ("host", "port"),
    [("", 443), ("%5bbad", 80), ("a b", 80), ("example.com", 0), ("example.com", 99999), ("a" * 254, 80)],
)
def test_a_url_without_a_valid_host_is_refused(host, port):
    with pytest.raises(AddressBlocked, match="no host"):
        PUBLIC_ONLY.check_target(Target("https", host, port))


@pytest.mark.parametrize(
    "host", ["example.com", "xn--mnchen-3ya.example", "a_b.example", "::1", "2606:4700::1", "8.8.8.8"]
)
def test_a_valid_host_may_be_named(host):
    PUBLIC_ONLY.check_target(Target("https", host, 443))


@pytest.mark.parametrize(
    ("allowed", "host", "port", "address"),
    [
        ("127.0.0.1", "127.0.0.1", 1, "127.0.0.1"),
        ("127.0.0.1:8099", "127.0.0.1", 8099, "127.0.0.1"),
        ("127.0.0.1:8099", "localhost", 8099, "127.0.0.1"),
        ("127.0.0.1", "[::ffff:127.0.0.1]", 80, "::ffff:127.0.0.1"),
        ("10.20.0.0/16", "ledger.corp", 80, "10.20.3.4"),
        ("ledger.corp", "ledger.corp", 80, "10.9.9.9"),
        ("Ledger.Corp", "ledger.corp.", 80, "10.9.9.9"),
        (" a.corp , ledger.corp:8443 ", "ledger.corp", 8443, "10.9.9.9"),
        ("[::1]:80", "::1", 80, "::1"),
        ("::1", "::1", 99, "::1"),
        ("fd12::/16", "db.corp", 80, "fd12::7"),
    ],
)
def test_the_allow_list_opens_what_it_names(allowed, host, port, address):
    assert EgressPolicy.parse(allowed).permitted(host, port, [address]) == [address]


@pytest.mark.parametrize(
    ("allowed", "host", "port", "address"),
    [
        ("127.0.0.1:8099", "127.0.0.1", 8098, "127.0.0.1"),
        ("10.20.0.0/16", "ledger.corp", 80, "10.21.0.1"),
        ("ledger.corp:8443", "ledger.corp", 443, "10.9.9.9"),
        ("ledger.corp", "evil-ledger.corp", 80, "10.9.9.9"),
        ("ledger.corp", "ledger.corp.evil.example", 80, "10.9.9.9"),
        ("169.254.0.0/16", "169.254.169.254", 80, "169.254.169.254"),
        ("metadata.corp", "metadata.corp", 80, "169.254.169.254"),
        ("0.0.0.0/0,::/0", "x.corp", 80, "64:ff9b::a9fe:a9fe"),
        ("", "ledger.corp", 80, "10.9.9.9"),
    ],
)
def test_the_allow_list_opens_nothing_else(allowed, host, port, address):
    with pytest.raises(AddressBlocked):
        EgressPolicy.parse(allowed).permitted(host, port, [address])


def test_the_metadata_service_is_never_offered_for_the_allow_list():
    with pytest.raises(AddressBlocked, match="can never be called"):
        PUBLIC_ONLY.permitted("169.254.169.254", 80, ["169.254.169.254"])


def test_a_refusal_names_the_entry_that_would_allow_it():
    with pytest.raises(AddressBlocked) as caught:
        PUBLIC_ONLY.permitted("::1", 8099, ["::1"])
    entry = caught.value.message.split("MILLRACE_ALLOWED_HOSTS=")[1].rstrip(".")
    assert EgressPolicy.parse(entry).permitted("::1", 8099, ["::1"]) == ["::1"]


@pytest.mark.parametrize(
    "entry",
    ["http://ledger.corp", "ledger.corp:", "ledger.corp:0", "ledger.corp:99999", "10.0.0.0/33", "a b", ":80", "[::1]x"],
)
def test_an_entry_that_is_no_host_is_refused(entry):
    with pytest.raises(ConfigInvalid, match="MILLRACE_ALLOWED_HOSTS"):
        EgressPolicy.parse(entry)


def test_our_tables_refuse_whatever_python_calls_private():
    for text, _ in BLOCKED_ADDRESSES:
        address = ip_address(text.split("%")[0])
        if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
            mapped = getattr(address, "ipv4_mapped", None)
            assert not is_public(mapped or address), text
