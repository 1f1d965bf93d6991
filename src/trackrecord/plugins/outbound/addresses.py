"""Which addresses may be reached: globally routable ones, and what the operator lists. Pure.

Judges parsed addresses only: `127.1`, `2130706433` and circled digits are all 127.0.0.1 to a resolver, so the text of
a host says nothing. Python's own `is_global` takes NAT64, 6to4, IPv4-compatible, site-local and multicast addresses
for global ones (measured on 3.11.7), hence the list below beside it. A network that translates IPv4 under a prefix of
its own inside 2000::/3 cannot be known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DEFAULT_PORTS: Final = frozenset({80, 443})


class OutboundRefused(Exception):
    """Policy said no; asking again changes nothing. Its words name no address that a name resolved to."""


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


# what an operator may list; everything else that is not global stays out of reach
_LISTABLE: Final[tuple[tuple[str, tuple[Network, ...]], ...]] = (
    ("a loopback", _networks("127.0.0.0/8", "::1/128")),
    ("a private", _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),
    ("a carrier's shared", _networks("100.64.0.0/10")),
)
# credentials of the machine itself are to be had here: never reached, not even inside a listed network
_METADATA: Final = _networks(
    "169.254.169.254/32",
    "168.63.129.16/32",  # Azure; a public address
    "100.100.100.200/32",  # Alibaba
    "192.0.0.192/32",  # Oracle
    "fd00:ec2::/32",  # Amazon
    "fd20:ce::/32",  # Google
)
_NEVER: Final[tuple[tuple[str, tuple[Network, ...]], ...]] = (
    ("a cloud metadata", _METADATA),
    ("an unspecified", _networks("0.0.0.0/8", "::/128")),
    ("a link-local", _networks("169.254.0.0/16", "fe80::/10")),
    ("a site-local", _networks("fec0::/10")),
    ("a multicast", _networks("224.0.0.0/4", "ff00::/8")),
    ("a broadcast", _networks("255.255.255.255/32")),
    ("a reserved", _networks("240.0.0.0/4", "192.0.0.0/24", "198.18.0.0/15", "100::/64", "5f00::/16")),
    ("a documentation", _networks("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")),
    (
        "a translated (NAT64, 6to4, Teredo, IPv4-compatible)",
        _networks("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0:0/96", "192.88.99.0/24"),
    ),
    ("a protocol's own", _networks("2001::/23")),
)
_COMPATIBLE: Final = ip_network("::/96")  # holds ::1 and :: as well, which have words of their own
_UNICAST: Final = ip_network("2000::/3")  # all IPv6 space that is given out; a newer Python may know less as reserved


def parsed(text: str) -> Address:
    """The address of a resolver's text; IPv4 inside IPv6 (`::ffff:…`) is the IPv4 address it is.

    Raises:
        ValueError: the text is no address.
    """
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def kind_of(address: Address) -> str | None:
    """What keeps an address from being reached by everybody, with its article; None when it is globally routable."""
    for kind, networks in (*_NEVER, *_LISTABLE):
        if any(address in network for network in networks):
            return kind
    if address in _COMPATIBLE:
        return "a translated (NAT64, 6to4, Teredo, IPv4-compatible)"
    if not address.is_global or address.is_multicast or address.is_reserved:
        return "a reserved"
    return "a reserved" if isinstance(address, IPv6Address) and address not in _UNICAST else None


def may_be_listed(network: Network) -> bool:
    """Whether an operator may open a whole network: loopback, private and shared ranges only."""
    return any(_is_within(network, outer) for _, networks in _LISTABLE for outer in networks)


def _is_within(network: Network, outer: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(outer, IPv4Network) and network.subnet_of(outer)
    return isinstance(outer, IPv6Network) and network.subnet_of(outer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One entry of the operator's list.

    Attributes:
        network: addresses it opens; None for an entry that names a host.
        host: the name it opens, lower-case and without a final dot; None for an entry of addresses.
        port: the one port it is for, which is thereby allowed; None for the ports allowed anyway.
    """

    network: Network | None = None
    host: str | None = None
    port: int | None = None

    def covers(self, host: str, port: int, address: Address) -> bool:
        """Whether the entry is about this connection."""
        if self.port is not None and self.port != port:
            return False
        return address in self.network if self.network is not None else self.host == plain_host(host)


def read_listed(entries: Iterable[str]) -> tuple[Listed, ...]:
    """The operator's list, read: networks, addresses, and `host:port`.

    Raises:
        ValueError: an entry is none of these, or opens what may not be opened; says which and why.
    """
    return tuple(_read_entry(entry.strip()) for entry in entries)


def _read_entry(entry: str) -> Listed:
    try:
        network = ip_network(entry)
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError(f"{entry!r}: {error}") from None
        return _read_host(entry)
    if not may_be_listed(network):
        raise ValueError(f"{entry!r} is not within the loopback, private or shared ranges")
    return Listed(network=network)


def _read_host(entry: str) -> Listed:
    host, separator, number = entry.rpartition(":")
    is_port = number.isascii() and number.isdigit() and len(number) <= 5 and 1 <= int(number) <= 65_535
    if not (separator and host and is_port) or any(mark in host for mark in "/@ ?#"):
        raise ValueError(f"{entry!r} is no network and no host:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{entry!r}: write an IPv6 address with a port as [address]:port")
    try:
        address = parsed(host)
    except ValueError:
        return Listed(host=plain_host(host), port=int(number))
    network = ip_network(address)
    if kind_of(address) is not None and not may_be_listed(network):
        raise ValueError(f"{entry!r} is {kind_of(address)} address, which cannot be opened")
    return Listed(network=network, port=int(number))


def plain_host(host: str) -> str:
    """A host name as it is compared: lower-case, without a final dot."""
    return host.lower().removesuffix(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be reached, and how much of it.

    Attributes:
        listed: what the operator opens beside the public addresses.
        ports: ports that may be connected to.
        max_redirects: redirects that are followed.
        max_bytes: most of a body that is read, decoded.
        timeout_s: seconds for everything, redirects included.
        connect_timeout_s: seconds for one connection.
        listed_in: what the operator calls the list, for those who are refused.
    """

    listed: tuple[Listed, ...] = ()
    ports: frozenset[int] = field(default=DEFAULT_PORTS)
    max_redirects: int = 3
    max_bytes: int = 10 * 1024 * 1024
    timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    listed_in: str = "TRACKRECORD_HTTP__ALLOW"

    def check(self, host: str, port: int, addresses: Sequence[str]) -> tuple[Address, ...]:
        """The addresses of a host, every one of them fit to be reached; one that is not refuses them all.

        Raises:
            OutboundRefused: the port or an address may not be reached.
        """
        judged = tuple(dict.fromkeys(_judged(host, text) for text in addresses))
        for address in judged:
            self._check_one(host, port, address)
        return judged

    def check_port(self, host: str, port: int) -> None:
        """Refuse a port that nothing could open for this host, before anything is resolved.

        Raises:
            OutboundRefused: it is not allowed.
        """
        may_be = port in self.ports or any(
            one.port == port and (one.host is None or one.host == plain_host(host)) for one in self.listed
        )
        if not may_be:
            raise _wrong_port(host, port)

    def _check_one(self, host: str, port: int, address: Address) -> None:
        entries = [one for one in self.listed if one.covers(host, port, address)]
        kind = kind_of(address)
        if kind is not None and not (entries and may_be_listed(ip_network(address)) and not _is_metadata(address)):
            raise OutboundRefused(
                f"{shown(host)} leads to {kind} address; only public addresses may be reached, "
                f"and loopback and private ones that the operator lists in {self.listed_in}"
            )
        if port not in self.ports and not any(one.port == port for one in entries):
            raise _wrong_port(host, port)


def _is_metadata(address: Address) -> bool:
    return any(address in network for network in _METADATA)


def _judged(host: str, text: str) -> Address:
    try:
        return parsed(text)
    except ValueError:
        raise OutboundRefused(f"{shown(host)} resolves to something that is no address") from None


def _wrong_port(host: str, port: int) -> OutboundRefused:
    return OutboundRefused(
        f"port {port} of {shown(host)} may not be reached; the operator opens a port in TRACKRECORD_HTTP__PORTS"
    )


def shown(host: str) -> str:
    """A host as it stands in an error: quoted, and not at any length."""
    return repr(host if len(host) <= 100 else f"{host[:100]}…")
