"""Who calls a webhook, and whether its allow-list holds the address."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


@lru_cache(maxsize=1024)
def networks(given: tuple[str, ...]) -> tuple[Network, ...]:
    """CIDRs and single addresses as networks.

    Raises:
        ValueError: one is neither, or has host bits set; the message names it.
    """
    return tuple(ip_network(each) for each in given)


def caller(peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """The address of the sender; None where it cannot be told.

    X-Forwarded-For counts only where a trusted proxy connected, and is read from the right: each trusted proxy added
    the address that it saw, and what stands to the left of the first other one was written by the sender.

    Args:
        peer: who opened the connection.
        forwarded_for: the values of all X-Forwarded-For headers, in their order.
        trusted: the networks of our own proxies.
    """
    address = _address(peer or "")
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while address is not None and hops and within(address, trusted):
        address = _address(hops.pop())
    return address


def within(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether one of the networks holds the address."""
    return any(address in network for network in allowed)


def _address(text: str) -> Address | None:
    """An IPv4 address that came as IPv6 (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2) is one of IPv4."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
