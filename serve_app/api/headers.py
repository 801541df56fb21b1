"""What the headers of a request say that is decided before any route: who speaks for whom, and which of two counts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from serve_app.errors import BadRequest, Forbidden

AUTHORIZATION = b"authorization"
_FORWARDED_FOR = b"x-forwarded-for"
_TYPE, _PLAIN_JSON = b"content-type", b"application/json"
# As a media type: parameters, as the charset, may follow (RFC 9110, 8.3).
_JSON = re.compile(rb"application/(?:[a-z0-9!#$&^_.+-]{1,64}\+)?json[ \t]*(?:;.*)?", re.IGNORECASE | re.DOTALL)


def select_single(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name; a Host given twice counts as none, and lists of addresses are put together: that of
    a proxy before us must not stand behind one that the caller made up. Raises ``BadRequest`` for two tokens: what
    stands before us may have looked at the other one.
    """
    headers: dict[bytes, bytes] = {}
    hosts = 0
    for name, value in raw:
        hosts += name == b"host"
        if name == AUTHORIZATION and name in headers:
            raise BadRequest("The request has several Authorization headers.")
        headers[name] = headers[name] + b"," + value if name == _FORWARDED_FOR and name in headers else value
    if hosts > 1:
        del headers[b"host"]
    return headers


def check_origin(headers: Mapping[bytes, bytes], host: bytes) -> None:
    """Raise ``Forbidden`` for what a web page of another origin sends; ``host``: as which we are asked."""
    origin = headers.get(b"origin")
    if origin is not None and origin.lower() not in (b"http://" + host.lower(), b"https://" + host.lower()):
        raise Forbidden("Requests of web pages of another origin are not answered.", code="origin_not_allowed")
    if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
        raise Forbidden("Requests of web pages of another site are not answered.", code="origin_not_allowed")


def list_forwarded(headers: Mapping[bytes, bytes]) -> list[str]:
    """Addresses for which a proxy says it speaks: behind one on this machine, every caller would look local."""
    if b"forwarded" in headers:
        return [""]  # not read, and so not taken for local
    given = headers.get(_FORWARDED_FOR)
    return [] if given is None else [part.strip() for part in given.decode("latin-1").split(",")]


def require_json(headers: Mapping[bytes, bytes]) -> None:
    """Raise ``BadRequest`` (415) for a body that is not said to be JSON: a form of a web page can send other types to
    us without asking, and before it sends JSON a browser asks.
    """
    given = headers.get(_TYPE, b"")
    if given == _PLAIN_JSON or _JSON.fullmatch(given.strip()):
        return
    error = BadRequest("Send JSON, with the header `Content-Type: application/json`.", code="not_json")
    error.status, error.title = 415, "Unsupported media type"
    raise error
