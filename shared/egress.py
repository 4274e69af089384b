"""Where a request that an author or a model can steer may go. Pure: no sockets, no HTTP library.

Terms:
  target   what a URL names: scheme, host, port, and whether it carries credentials
  address  an IP address that the host resolved to; the connection goes to the address that was checked, to no other
  public   an address that IANA lists as globally reachable, and that no cloud uses for instance metadata

A name proves nothing, so two checks are needed: `check_target` on every URL (each redirect included), and `permitted`
on the resolved addresses when a connection is opened. Decimal, octal and hexadecimal forms of an address need no rule
of their own: they are resolved like any name, and what they resolve to is checked.

Sources:
  https://www.iana.org/assignments/iana-ipv4-special-registry
  https://www.iana.org/assignments/iana-ipv6-special-registry
  https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from shared.errors import AddressBlocked, ConfigInvalid

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

SCHEMES = frozenset({"http", "https"})

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
"""A name in ASCII (Unicode names come here as `xn--…`), or an IPv6 address."""

_LAST_PORT = 65535

_SPECIAL_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "127.0.0.0/8",  # loopback, RFC 1122
        "169.254.0.0/16",  # link-local, RFC 3927
        "172.16.0.0/12",  # private, RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.88.99.0/24",  # 6to4 relay anycast, RFC 7526
        "192.168.0.0/16",  # private, RFC 1918
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved, RFC 1112, with limited broadcast
    )
)

_GLOBAL_IPV6 = IPv6Network("2000::/3")
"""What IANA gives out as global unicast; all else is special, and so is what they will define as special there."""

_SPECIAL_IPV6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocol assignments, RFC 2928; Teredo is in it
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, which hides an IPv4 address, RFC 7526
        "3fff::/20",  # documentation, RFC 9637
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: in an IPv6-only subnet, DNS64 answers with such an address for every IPv4 host."""

_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""RFC 5214: interface identifiers that hide an IPv4 address."""

_METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Google, Azure, Oracle and others
        "169.254.170.2",  # AWS ECS task role
        "169.254.170.23",  # AWS EKS pod identity
        "fd00:ec2::254",  # AWS, IPv6
        "fd00:ec2::23",  # AWS EKS pod identity, IPv6
        "168.63.129.16",  # Azure WireServer, a public address
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud Classic
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL names. `host` has no brackets; `port` is the scheme's where the URL gives none."""

    scheme: str
    host: str
    port: int
    has_credentials: bool = False

    def __str__(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Public addresses, and what the operator lists on top of them.

    `names` are hosts by name and `networks` addresses, each with a port or None for every port. Instance metadata
    services can not be opened by either: they hand out the credentials of the machine.
    """

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, allowed_hosts: str) -> "EgressPolicy":
        """From `MILLRACE_ALLOWED_HOSTS`: `host`, `host:port`, `address`, `[v6]:port` or CIDR, separated by commas.

        Raises:
            ConfigInvalid: an entry is none of these.
        """
        names: set[tuple[str, int | None]] = set()
        networks: list[tuple[Network, int | None]] = []
        for entry in filter(None, (part.strip() for part in allowed_hosts.split(","))):
            host, port = _split_entry(entry)
            network = _network(host)
            if network is not None:
                networks.append((network, port))
            elif "/" in host or ":" in host or not host or any(char.isspace() for char in host):
                raise _bad_entry(entry)
            else:
                names.add((_canonical(host), port))
        return cls(frozenset(names), tuple(networks))

    def check_target(self, target: Target) -> None:
        """Refuses what a URL must not even name, before anything is resolved.

        Raises:
            AddressBlocked: the scheme is not http or https, there are credentials in the URL, or no valid host.
        """
        if target.scheme not in SCHEMES:
            raise AddressBlocked(
                f"URLs of the scheme '{target.scheme}' are not allowed; use http or https.", host=target.host
            )
        if target.has_credentials:
            raise AddressBlocked(
                f"The URL of {target.host} holds a user name or password, which would end up in logs. "
                "Send them in a header, or in a connection.",
                host=target.host,
            )
        if not _HOST.fullmatch(target.host) or not 1 <= target.port <= _LAST_PORT:
            named = f"'{target.host[:80]}:{target.port}' is no host" if target.host else "There is no host"
            raise AddressBlocked(f"{named} in the URL; write it in full: https://example.com/path.", host=target.host)

    def lists(self, target: Target) -> bool:
        """Whether the operator put the target itself on the list, by name or address."""
        name, network = _canonical(target.host), _network(target.host)
        if {(name, target.port), (name, None)} & self.names:
            return True
        address = network.network_address if network is not None else None
        return any(address in each and port in (target.port, None) for each, port in self.networks if address)

    def permitted(self, host: str, port: int, addresses: Iterable[str]) -> Sequence[str]:
        """Those of the addresses that `host` resolved to that a connection may be opened to, in their order.

        Raises:
            AddressBlocked: none of them.
        """
        found = list(dict.fromkeys(addresses))
        allowed = [text for text in found if self.allows(host, port, ip_address(text.split("%")[0]))]
        if not allowed:
            raise AddressBlocked(_blocked(host, port, found), host=host)
        return allowed

    def allows(self, host: str, port: int, address: Address) -> bool:
        """Whether a connection to `address`, to which `host` resolved, may be opened."""
        effective = unwrapped(address)
        if effective in _METADATA:
            return False
        if is_public(effective):
            return True
        name = _canonical(host)
        if (name, port) in self.names or (name, None) in self.names:
            return True
        return any(effective in network and listed in (port, None) for network, listed in self.networks)


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped (RFC 4291) or NAT64 (RFC 6052) address stands for; else itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether everyone on the Internet means the same machine by this address.

    The tables are ours rather than `ipaddress.is_global`, which differs between patch releases of Python.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    if address not in _GLOBAL_IPV6 or any(address in network for network in _SPECIAL_IPV6):
        return False
    return (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP


def _blocked(host: str, port: int, addresses: Sequence[str]) -> str:
    entry = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if any(unwrapped(ip_address(text.split("%")[0])) in _METADATA for text in addresses):
        return f"{entry} is a cloud's instance metadata service, which hands out credentials; it can never be called."
    return (
        f"{entry} resolves to {', '.join(addresses) or 'nothing'}, which is not a public address. Workflows call "
        f"public addresses only; an operator can allow an internal host by MILLRACE_ALLOWED_HOSTS={entry}."
    )


def _split_entry(entry: str) -> tuple[str, int | None]:
    """Host and port of an entry. Brackets around IPv6 are needed only where a port follows."""
    host, _, port = entry.rpartition(":")
    if entry.startswith("["):
        if entry.endswith("]"):
            return entry[1:-1], None
        host = host.removeprefix("[").removesuffix("]")
    elif entry.count(":") != 1:
        return entry, None
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= _LAST_PORT:
        raise _bad_entry(entry)
    return host, int(port)


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _canonical(host: str) -> str:
    return host.lower().rstrip(".")


def _bad_entry(entry: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"MILLRACE_ALLOWED_HOSTS has the entry '{entry}', which is no host. "
        "Write host, host:port, an address, [IPv6]:port or a CIDR such as 10.20.0.0/16, separated by commas."
    )
