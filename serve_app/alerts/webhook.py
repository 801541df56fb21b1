"""Posting to webhooks: with a deadline, without redirects, and without a word about URL or token in any log."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import aiohttp

from serve_app.alerts.settings import Webhook
from serve_app.errors import UpstreamFailed
from serve_app.redaction import REDACTED, redact

_MAX_ANSWER_BYTES = 4096
_QUOTED_CHARS = 200


class WebhookFailed(UpstreamFailed):
    """A webhook did not take a notification. The sentence names the webhook, never its URL."""

    code, title = "webhook_failed", "A webhook failed"


class Poster:
    """One HTTP session for all webhooks; tokens come from the environment when they are needed."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._session: aiohttp.ClientSession | None = None

    async def post(self, webhook: Webhook, body: Any) -> None:
        """Send a JSON body; only 2xx is success. Raises ``WebhookFailed``."""
        headers = {"User-Agent": "seedcore-serve"}
        token = ""
        if webhook.token_env is not None:
            token = self._environ.get(webhook.token_env, "").strip()
            if not token or not (token.isascii() and token.isprintable()):
                what = "is no token" if token else "is not set"
                raise WebhookFailed(f"{webhook.name}: {webhook.token_env} {what}.", code="webhook_token_missing")
            headers["Authorization"] = f"Bearer {token}"
        status, answer = await self._send(webhook, body, headers)
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            sentence = f"{webhook.name} answered {status}; redirects are not followed."
            raise WebhookFailed(sentence, code="webhook_redirects")
        said = redact(answer.replace(token, REDACTED) if token else answer)[:_QUOTED_CHARS].strip()
        raise WebhookFailed(
            f"{webhook.name} answered {status}" + (f": {said}" if said else "."), code="webhook_refused"
        )

    async def close(self) -> None:
        """Close connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, webhook: Webhook, body: Any, headers: dict[str, str]) -> tuple[int, str]:
        if self._session is None:
            # No cookies and no proxy of the environment: only what is configured counts.
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        timeout = aiohttp.ClientTimeout(total=webhook.timeout_s)
        try:
            async with self._session.post(
                webhook.url, json=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                answer = b"" if response.ok else await response.content.read(_MAX_ANSWER_BYTES)
                return response.status, answer.decode(errors="replace")
        except TimeoutError:
            sentence = f"{webhook.name} did not answer within {webhook.timeout_s:g} s."
            raise WebhookFailed(sentence, code="webhook_silent") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Its own words hold the address.
            sentence = f"{webhook.name} cannot be reached ({type(error).__name__})."
            raise WebhookFailed(sentence, code="webhook_unreachable") from None
