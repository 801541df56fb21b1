"""Which addresses `http.get` may reach: pure decisions, so that each is a row in a table of tests.

A URL must match an entry of the organ's allowlist:

- ``example.com``            https, port 443
- ``*.example.com``          https, any subdomain, port 443
- ``example.com:8443``       https, that port
- ``http://example.com:80``  plain http, only written out like this
- ``http://127.0.0.1:8080``  an address that is not public, only as a literal with scheme and port, both written out

Whatever a name resolves to must be public, every address of it, and the connection is pinned to what was checked.
Addresses of cloud metadata services are never allowed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from organs.skills.contract import SkillInputError, SkillRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    ipaddress.ip_address(each) for each in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254")
)
# Not for the public either, although Python 3.11 takes them for global (IANA's registries of special addresses).
_SPECIAL = tuple(
    ipaddress.ip_network(each) for each in ("192.0.0.0/24", "::/96", "64:ff9b:1::/48", "3fff::/20", "5f00::/16")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.ip_network("::/96")
_DEFAULT_PORTS = {"https": 443, "http": 80}
MAX_URL_CHARACTERS = 2048


@dataclass(frozen=True)
class Target:
    """A URL that is allowed, and whether its address may be other than public."""

    url: str
    scheme: str
    host: str
    port: int
    literal: Address | None
    private_allowed: bool


def check_url(url: str, allowlist: Iterable[str]) -> Target:
    """Return the target of an allowed URL; raises ``SkillInputError`` or ``SkillRefused`` with the reason."""
    parts = _split(url)
    host = (parts.hostname or "").rstrip(".").lower()
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    literal = _parse_literal(host)
    entry = next((entry for entry in allowlist if _matches(entry, parts.scheme, host, port)), None)
    if entry is None:
        raise SkillRefused(
            f"{parts.scheme}://{host}:{port} is not on this organ's http_allowlist; add it in serve_config.yaml."
        )
    target = Target(url, parts.scheme, host, port, literal, literal is not None and _is_explicit(entry))
    if literal is not None:
        check_addresses(target, [literal])
    return target


def check_addresses(target: Target, addresses: Iterable[Address]) -> list[Address]:
    """Return the addresses if every one may be connected to; raises ``SkillRefused``."""
    plain = [_unmap(address) for address in addresses]
    if not plain:
        raise SkillRefused(f"{target.host} has no address.")
    for address in plain:
        meant = {address, _extract_embedded(address)}
        if meant & _METADATA:
            raise SkillRefused(f"{target.host} is a metadata service, which is never asked.")
        if not target.private_allowed and not all(map(_is_public, meant)):
            raise SkillRefused(f"{target.host} resolves to an address that is not public.")
    return plain


def _split(url: str) -> SplitResult:
    if (
        len(url) > MAX_URL_CHARACTERS
        or any(character <= " " or character == "\x7f" for character in url)
        or "\\" in url
    ):
        raise SkillInputError("The URL is too long, or has characters that a URL cannot have.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SkillInputError("The URL cannot be parsed.") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise SkillRefused("Only https, and http where the allowlist says so, can be asked.")
    if parts.username is not None or parts.password is not None:
        raise SkillRefused("A URL with a user name or password in it is not asked.")
    if not parts.hostname:
        raise SkillInputError("The URL has no host.")
    if port == 0:
        raise SkillInputError("Port 0 cannot be asked.")
    return parts


def _parse_literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        pass
    # "127.1", "0x7f000001" and "2130706433" are addresses to some resolvers: a name has a letter in its last label.
    if host.rsplit(".", 1)[-1].isdigit() or host.startswith("0x"):
        raise SkillRefused("That way of writing an address is not accepted.")
    return None


def _is_explicit(entry: str) -> bool:
    scheme, _, rest = entry.rpartition("://")
    return bool(scheme) and urlsplit(f"//{rest}").port is not None


def _matches(entry: str, scheme: str, host: str, port: int) -> bool:
    wanted_scheme, _, rest = entry.lower().rpartition("://") if "://" in entry else ("https", "", entry.lower())
    try:
        wanted = urlsplit(f"//{rest}")
        wanted_port = wanted.port or _DEFAULT_PORTS.get(wanted_scheme)
    except ValueError:
        return False
    name = (wanted.hostname or "").rstrip(".")
    if scheme != wanted_scheme or port != wanted_port or not name:
        return False
    if name.startswith("*."):
        return host.endswith(name[1:]) and host != name[2:]
    return host == name


def _unmap(address: Address) -> Address:
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _extract_embedded(address: Address) -> Address:
    """The IPv4 address that a gateway makes of an IPv6 one (6to4, NAT64), or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64 or address in _V4_COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not any(address in network for network in _SPECIAL)
