"""Which servers a client asks: one, several, or all that a DNS name stands for.

Several are balanced by gRPC itself, as its service config says
(https://github.com/grpc/grpc/blob/master/doc/service_config.md): round robin over those that can be reached and whose
grpc.health.v1 says SERVING (gRFC A17). A server without that service is taken to serve.
"""

import ipaddress
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_UNIX: Final = ("unix:", "unix-abstract:")
_DNS: Final = "dns:"

_ROUND_ROBIN: Final[list[dict[str, dict[str, str]]]] = [{"round_robin": {}}]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers of one client are.

    Attributes:
        each: HOST:PORT, unix:PATH or a DNS target of gRPC; at least one.
    """

    each: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.each)

    @property
    def is_balanced(self) -> bool:
        """Whether calls go to all of them, and to all IP addresses of a DNS target, in turn."""
        return len(self.each) > 1 or self.each[0].startswith(_DNS)

    def target(self) -> str:
        """What gRPC connects to. Names are resolved here if there are several addresses: gRPC takes only one name.

        Raises:
            OSError: a name of several cannot be resolved.
        """
        if len(self.each) == 1:
            return self.each[0]
        resolved = [place for address in self.each for place in _resolved(address)]
        if all(place.version == 4 for place, _ in resolved):
            return "ipv4:" + ",".join(f"{place}:{port}" for place, port in resolved)
        # One target holds one family; IPv6 has a form for the other (RFC 4291, section 2.5.5.2).
        return "ipv6:" + ",".join(f"[{_as_ipv6(place)}]:{port}" for place, port in resolved)

    def common_host(self) -> str | None:
        """The host's name that all addresses have; None if they differ."""
        hosts = {_host_and_port(address)[0] for address in self.each}
        return hosts.pop() if len(hosts) == 1 else None

    def service_config(self, *, watch_health: bool) -> str | None:
        """The service config of the channel, as JSON; None where there is nothing to balance."""
        if not self.is_balanced:
            return None
        health = {"healthCheckConfig": {"serviceName": ""}} if watch_health else {}
        return json.dumps({"loadBalancingConfig": _ROUND_ROBIN, **health})


def read_addresses(address: str | Sequence[str], port: int | None, *, is_secure: bool) -> Addresses:
    """Reads what a client is given.

    Args:
        address: one; several, in a sequence or separated by commas; or dns:///NAME:PORT.
        port: for each that has none; None is 443 if `is_secure`, else 80.
        is_secure: with TLS.

    Raises:
        ValueError: no address, a port outside 1 to 65535, or a kind of address that cannot stand among several.
    """
    if isinstance(address, str):
        texts = [address] if address.startswith(_UNIX) else address.split(",")
    else:
        texts = list(address)
    each = tuple(_with_port(text.strip(), port, is_secure=is_secure) for text in texts)
    if not each:
        raise ValueError("address: expected at least one, got none.")
    odd = next((one for one in each if one.startswith((*_UNIX, _DNS))), None)
    if odd is not None and len(each) > 1:
        raise ValueError(f"address: {odd} stands alone or not at all, got it among {len(each)} addresses.")
    return Addresses(each)


def _with_port(address: str, port: int | None, *, is_secure: bool) -> str:
    if not address:
        raise ValueError("address: expected a host name, an IP address or unix:PATH, got an empty string.")
    if address.startswith(_UNIX):
        return address
    scheme, name = _scheme_and_name(address)
    if has_port(name):
        _check_port(int(name.rpartition(":")[2]))
        return address
    if port is None:
        port = 443 if is_secure else 80
    _check_port(port)
    # An IPv6 address needs brackets before a port.
    host = f"[{_ipv6(name)}]" if ":" in name or "[" in name else name
    return f"{scheme}{host}:{port}"


def _ipv6(text: str) -> str:
    """Without brackets; ValueError for what has colons and is none: a URL, or a port that is no number."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ipaddress.IPv6Address(bare)
    except ValueError:
        raise ValueError(
            f"address: expected HOST, HOST:PORT, an IP address or unix:PATH, got {text}."
        ) from None
    return bare


def _check_port(port: int) -> None:
    # gRPC would take a greater one modulo 2**16.
    if not 1 <= port <= 65535:
        raise ValueError(f"port: expected 1 to 65535, got {port}.")


def _scheme_and_name(address: str) -> tuple[str, str]:
    """dns:NAME, dns:///NAME and dns://RESOLVER/NAME before their names (gRPC's doc/naming.md); "" for all else."""
    if not address.startswith(_DNS):
        return "", address
    end = max(address.rfind("/") + 1, len(_DNS))
    return address[:end], address[end:]


def has_port(address: str) -> bool:
    """Whether an address ends in a port, as HOST:PORT and [IPV6]:PORT do."""
    host, colon, digits = address.rpartition(":")
    is_bare_host = ":" not in host or (host.startswith("[") and host.endswith("]"))
    return bool(colon) and digits.isdecimal() and is_bare_host


IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _resolved(address: str) -> list[tuple[IpAddress, int]]:
    """All IP addresses of a name: which of them a server listens on, health and connections tell."""
    host, port = _host_and_port(address)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OSError(f"{address} cannot be resolved: {error}.") from error
    # The scope of a link-local address belongs to the text, which ipaddress reads as well.
    return list(dict.fromkeys((ipaddress.ip_address(place[0]), port) for *_, place in found))


def _as_ipv6(place: IpAddress) -> IpAddress:
    return place if place.version == 6 else ipaddress.IPv6Address(f"::ffff:{place}")
