"""Notifications on their way to webhooks: what is due, and posting it.

Each webhook on its own, in order, at least once. One that hangs or refuses holds up nobody else, and is left alone for
a while that doubles until it answers again (``receivers``), also over restarts. It is posted to with a deadline,
without redirects, and without a word about URL or token in any log.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp

from organs.times import format_exactly
from serve_app.alerts.models import Alert
from serve_app.alerts.notifications import build_body, list_repeated
from serve_app.alerts.receivers import (
    BEARER_MISSING,
    REDIRECTS,
    REFUSED,
    SILENT,
    UNREACHABLE,
    Receiver,
    note_failure,
    parse_retry_after,
    plan_attempt,
)
from serve_app.alerts.settings import AlertsConfig, Webhook
from serve_app.env import find_named_secret
from serve_app.errors import AppError, UpstreamFailed
from serve_app.hidden.private_file import SecretFileRefused
from serve_app.redaction import REDACTED, redact

log = logging.getLogger("ray.serve.seedcore")

_AT_ONCE = 20
_MAX_ANSWER_BYTES = 4096
_QUOTED_CHARS = 200
# Who answers with these may say when to come again (RFC 9110, 10.2.3; RFC 6585, 4).
_BUSY = (429, 503)

Json = dict[str, Any]


class WebhookFailed(UpstreamFailed):
    """A webhook did not take a notification. The sentence names the webhook, never its URL."""

    code, title = "webhook_failed", "A webhook failed"


class Outbox(Protocol):
    """The store, as far as delivery asks it; every method raises an ``AppError`` when it cannot answer."""

    async def due_notifications(self, webhook: str, limit: int) -> list[Json]: ...

    async def notification_delivered(self, notification_id: str) -> None: ...

    async def notification_failed(self, notification_id: str, error: str, next_at: str | None) -> None: ...

    async def load_receivers(self) -> list[Json]: ...

    async def save_receiver(self, name: str, trouble: Mapping[str, Any] | None) -> None: ...


class Post(Protocol):
    """How a body reaches a webhook; raises ``WebhookFailed``."""

    async def post(self, webhook: Webhook, body: Any) -> None: ...


class Delivery:
    """Delivers what is due, a bounded number in each round."""

    def __init__(
        self,
        outbox: Outbox,
        poster: Post,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.failing: dict[str, Receiver] = {}
        self._outbox = outbox
        self._poster = poster
        self._now = now
        self._clock = clock
        self._jitter = jitter
        # With what settings it failed: others deserve an attempt at once.
        self._failed_with: dict[str, Webhook] = {}
        self._loaded = False
        self._rounds: dict[str, asyncio.Task[None]] = {}
        self._repeated_at: dict[str, float] = {}
        # Delivered, but the store could not take it down: not sent again by this replica.
        self._unmarked: set[str] = set()

    def begin_round(self, config: AlertsConfig, active: Callable[[], Sequence[Alert]]) -> None:
        """Begin a round for each webhook that is not in one; raises the bug that ended an earlier one, if one did.

        ``active`` tells the active alerts when they are to be repeated: a round may take minutes, and an Alertmanager
        that is told of an alert that is over meanwhile opens it again.
        """
        names = {webhook.name for webhook in config.webhooks}
        self.failing = {name: receiver for name, receiver in self.failing.items() if name in names}
        for name, last in list(self._rounds.items()):
            if last.done():
                del self._rounds[name]
                last.result()
        for webhook in config.webhooks:
            if webhook.name not in self._rounds:
                self._rounds[webhook.name] = asyncio.create_task(self._run_round(webhook, config, active))

    async def finish(self) -> None:
        """Wait until all rounds are over."""
        await asyncio.gather(*self._rounds.values())

    async def close(self) -> None:
        """Stop; what was under way will be sent again."""
        for task in self._rounds.values():
            task.cancel()
        await asyncio.gather(*self._rounds.values(), return_exceptions=True)

    async def _run_round(self, webhook: Webhook, config: AlertsConfig, active: Callable[[], Sequence[Alert]]) -> None:
        await self._load(config)
        receiver = self.failing.get(webhook.name)
        same = self._failed_with.get(webhook.name, webhook) == webhook
        if receiver is not None and same and receiver.is_waited_for(self._now()):
            return
        try:
            for row in await self._outbox.due_notifications(webhook.name, _AT_ONCE):
                if not await self._deliver(webhook, row, config):
                    return
        except AppError as error:
            # The store's trouble: nothing is lost, the rows are still due.
            log.debug("outbox: %s", error.detail, extra={"action": "outbox_unavailable"})
        await self._repeat(webhook, config, active())

    async def _load(self, config: AlertsConfig) -> None:
        """Go on to wait for those that failed before this replica began; a store that is away is asked again."""
        if self._loaded:
            return
        try:
            known = [Receiver.from_json(row) for row in await self._outbox.load_receivers()]
        except AppError as error:
            log.debug("receivers: %s", error.detail, extra={"action": "receivers_unavailable"})
            return
        if not self._loaded:
            self._loaded = True
            names = {webhook.name for webhook in config.webhooks}
            self.failing = {each.name: each for each in known if each.name in names} | self.failing

    async def _save(self, name: str, receiver: Receiver | None) -> None:
        try:
            await self._outbox.save_receiver(name, None if receiver is None else receiver.to_json())
        except AppError as error:
            # It is remembered here; after a restart it is tried once more than it needs to be.
            log.debug("receivers: %s", error.detail, extra={"action": "receivers_unavailable"})

    async def _deliver(self, webhook: Webhook, row: Json, config: AlertsConfig) -> bool:
        name = row["id"]
        if name not in self._unmarked:
            try:
                await self._post(webhook, build_body(webhook, row["payload"], config, self._now()))
            except WebhookFailed as error:
                created_at = datetime.fromisoformat(row["created_at"])
                again = plan_attempt(row["attempts"] + 1, created_at, config, self._now(), self._jitter())
                if again is None:
                    extra = {"action": "notification_given_up", "webhook": webhook.name, "notification": name}
                    log.error("notification given up: %s", error.detail, extra=extra)
                await self._outbox.notification_failed(name, error.detail, format_exactly(again))
                return False
            self._unmarked.add(name)
        await self._outbox.notification_delivered(name)
        self._unmarked.discard(name)
        return True

    async def _repeat(self, webhook: Webhook, config: AlertsConfig, active: Sequence[Alert]) -> None:
        """An Alertmanager forgets what it is not told again; a repetition that fails is made up for by the next."""
        last = self._repeated_at.get(webhook.name, float("-inf"))
        if webhook.format != "alertmanager" or self._clock() - last < config.resend_s:
            return
        self._repeated_at[webhook.name] = self._clock()
        body = list_repeated(active, config, self._now())
        if body:
            try:
                await self._post(webhook, body)
            except WebhookFailed:
                return  # `_post` has told it

    async def _post(self, webhook: Webhook, body: Any) -> None:
        """Post, and say when that begins or ceases to fail."""
        before = self.failing.get(webhook.name)
        try:
            await self._poster.post(webhook, body)
        except WebhookFailed as error:
            if before is None:
                extra = {"action": "webhook_fails", "webhook": webhook.name, "error_code": error.code}
                log.warning("webhook fails: %s", error.detail, extra=extra)
            wait_s = error.members.get("wait_s")
            failed = note_failure(before, webhook.name, error.code, error.detail, wait_s, self._now(), self._jitter())
            self.failing[webhook.name], self._failed_with[webhook.name] = failed, webhook
            await self._save(webhook.name, failed)
            raise
        if before is not None:
            self.failing.pop(webhook.name, None)
            await self._save(webhook.name, None)
            log.info("webhook answers", extra={"action": "webhook_answers", "webhook": webhook.name})


class Poster:
    """One HTTP session for all webhooks; tokens come from the environment, or the file of secrets, when they
    are needed."""

    def __init__(
        self, environ: Mapping[str, str] = os.environ, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._environ = environ
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def post(self, webhook: Webhook, body: Any) -> None:
        """Send a JSON body; only 2xx is success. Raises ``WebhookFailed``."""
        headers = {"User-Agent": "seedcore-serve"}
        token = ""
        if webhook.token_env is not None:
            try:
                token = find_named_secret(webhook.token_env, self._environ)
            except SecretFileRefused as refused:
                raise WebhookFailed(f"{webhook.name}: {refused}", code=BEARER_MISSING) from None
            if not token or not (token.isascii() and token.isprintable()):
                what = "is no token" if token else "is not set"
                raise WebhookFailed(f"{webhook.name}: {webhook.token_env} {what}.", code=BEARER_MISSING)
            headers["Authorization"] = f"Bearer {token}"
        status, answer, retry_after = await self._send(webhook, body, headers)
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            sentence = f"{webhook.name} answered {status}; redirects are not followed."
            raise WebhookFailed(sentence, code=REDIRECTS)
        said = redact(answer.replace(token, REDACTED) if token else answer)[:_QUOTED_CHARS].strip()
        sentence = f"{webhook.name} answered {status}" + (f": {said}" if said else ".")
        wait_s = parse_retry_after(retry_after, self._now()) if status in _BUSY else None
        raise WebhookFailed(sentence, code=REFUSED, wait_s=wait_s)

    async def close(self) -> None:
        """Close connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, webhook: Webhook, body: Any, headers: dict[str, str]) -> tuple[int, str, str | None]:
        if self._session is None:
            # No cookies and no proxy of the environment: only what is configured counts.
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        timeout = aiohttp.ClientTimeout(total=webhook.timeout_s)
        try:
            async with self._session.post(
                webhook.url, json=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                answer = b"" if response.ok else await response.content.read(_MAX_ANSWER_BYTES)
                return response.status, answer.decode(errors="replace"), response.headers.get("Retry-After")
        except TimeoutError:
            sentence = f"{webhook.name} did not answer within {webhook.timeout_s:g} s."
            raise WebhookFailed(sentence, code=SILENT) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Its own words hold the address.
            sentence = f"{webhook.name} cannot be reached ({type(error).__name__})."
            raise WebhookFailed(sentence, code=UNREACHABLE) from None
