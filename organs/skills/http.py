"""One bounded GET to an allowlisted host."""

from __future__ import annotations

import asyncio
import codecs
import ipaddress
import socket
import time
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import BaseModel, ConfigDict, Field
from yarl import URL

from organs.skills.contract import (
    Outcome,
    Skill,
    SkillContext,
    SkillDeadline,
    SkillInputError,
    SkillRefused,
    SkillUpstreamFailed,
)
from organs.skills.ssrf import MAX_URL_CHARACTERS, Address, Target, check_addresses, check_url

CONNECT_TIMEOUT_S = 5.0
# Families of encodings that pages are written in. Python has others, some of which take minutes for a page.
_ENCODINGS = ("utf", "ascii", "iso8859", "iso2022", "cp", "koi8", "shift_jis", "euc_", "gb", "big5")


class HttpGetInput(BaseModel):
    """Which URL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        min_length=1, max_length=MAX_URL_CHARACTERS, description="An https URL on the organ's http_allowlist."
    )


class HttpGet(Skill[HttpGetInput]):
    """Fetch a URL. Redirects are not followed, nothing of the caller's headers is passed on.

    Any answer of the server is an answer; only a 2xx counts as complete.
    """

    name = "http.get"
    summary = "Fetches a URL of an allowlisted host, without following redirects."
    organ_type = "Actuator"
    keywords = ("http", "https", "url", "get", "fetch", "download", "api", "web", "page", "request")
    idempotent = True
    Input = HttpGetInput

    async def run(self, input: HttpGetInput, context: SkillContext) -> Outcome:
        target = check_url(input.url, context.config.http_allowlist)
        left_s = context.deadline - time.monotonic()
        if left_s <= 0:
            raise SkillDeadline("The deadline passed before the request was made.")
        answer = await fetch(target, timeout_s=left_s, max_bytes=context.config.http_max_bytes)
        return Outcome(answer, 1.0 if 200 <= answer["status"] < 300 else 0.0)


async def fetch(target: Target, *, timeout_s: float, max_bytes: int) -> dict[str, Any]:
    """GET the target within ``timeout_s`` seconds and read at most ``max_bytes``; raises ``SkillError``."""
    began = time.monotonic()
    url = build_url(target)
    addresses = await _resolve_addresses(target, timeout_s)
    connector = aiohttp.TCPConnector(resolver=_Pinned(addresses), use_dns_cache=False, limit=1, force_close=True)
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_TIMEOUT_S, timeout_s))
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            body, truncated = await _read_body(answer, max_bytes)
            return {
                "status": answer.status,
                "content_type": _clean(answer.content_type),
                "location": _clean(answer.headers["Location"]) if "Location" in answer.headers else None,
                "body": decode_text(body, answer.charset),
                "size_bytes": len(body),
                "truncated": truncated,
                "duration_s": round(time.monotonic() - began, 6),
            }
    except TimeoutError:
        raise SkillDeadline(f"{target.host} did not answer within {timeout_s:.1f} s.") from None
    except aiohttp.ClientError as error:
        raise SkillUpstreamFailed(f"{target.host} could not be asked ({type(error).__name__}).") from None


def build_url(target: Target) -> URL:
    """The URL as the HTTP client reads it; raises ``SkillError`` unless that is the host and port that were checked."""
    try:
        url = URL(target.url)
    except ValueError:
        raise SkillInputError("The URL cannot be parsed.") from None
    read = {(host or "").rstrip(".").lower() for host in (url.host, url.raw_host)}
    same = any(_parse_address(host) == target.literal for host in read) if target.literal else target.host in read
    if not same or url.port != target.port:
        raise SkillRefused("The URL can be read in more than one way, so it is not asked.")
    return url


def decode_text(body: bytes, charset: str | None) -> str:
    """The text of a body, whatever its server says of it, and always one that JSON can hold."""
    try:
        name = codecs.lookup(charset or "utf-8").name
        text = body.decode(name if name.startswith(_ENCODINGS) else "utf-8", "replace")
    except (LookupError, ValueError):
        text = body.decode("utf-8", "replace")
    return _clean(text)


async def _resolve_addresses(target: Target, timeout_s: float) -> list[Address]:
    """Resolve once; what is checked here is what is connected to."""
    if target.literal is not None:
        return check_addresses(target, [target.literal])
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(min(timeout_s, CONNECT_TIMEOUT_S)):
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise SkillDeadline(f"The name {target.host} was not resolved in time.") from None
    except (OSError, UnicodeError):  # the second for a label that is too long for a name
        raise SkillUpstreamFailed(f"The name {target.host} cannot be resolved.") from None
    return check_addresses(target, [ipaddress.ip_address(str(row[4][0]).split("%", 1)[0]) for row in found])


class _Pinned(AbstractResolver):
    """Answers every question with the addresses that were checked."""

    def __init__(self, addresses: list[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def _read_body(answer: aiohttp.ClientResponse, max_bytes: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(16_384):
        body += chunk
        if len(body) > max_bytes:
            return bytes(body[:max_bytes]), True
    return bytes(body), False


def _clean(text: str) -> str:
    """Without lone surrogates, which some encodings, and the headers of a response, can bring along."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _parse_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return None
