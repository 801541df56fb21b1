"""What is wrong with deployments: settings that they refused, applications that Serve does not have as deployed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from serve_app.errors import AppError
from serve_app.jobs.judging.findings import Finding
from serve_app.jobs.models import Known, Section, Verdict
from serve_app.jobs.serve_facts import ServeFacts, describe_trouble
from serve_app.parts import STORE
from serve_app.schemas.findings import RefusedSettings

REFUSED_SETTING: Final = "refused-setting"
TROUBLED: Final = "application-troubled"
OTHER_TROUBLED: Final = "other-application-troubled"
_FRESH_FOR_S = 1.0
_PATIENCE_S = 1.0
_MOST_KEYS = 3


class RefusalSource(Protocol):
    """Who keeps what was refused."""

    async def refused_settings(self, application: str) -> list[RefusedSettings]: ...


class DeploymentTroubles:
    """The findings about deployments. What was refused is asked for at most once a second, and not waited for long: an
    answer about jobs must not be late because the store is away.
    """

    def __init__(self, source: RefusalSource | None, application: str, clock: Callable[[], float]) -> None:
        self._source = source
        self._application = application
        self._clock = clock
        self._asked_at = float("-inf")
        self._asked: asyncio.Task[None] | None = None
        self._refused: list[RefusedSettings] = []
        self._missing: list[str] = []

    async def find(self, serve: Section[ServeFacts]) -> tuple[list[Finding], list[str]]:
        """The findings; and why those of refused settings may be missing or old, which is empty when none is."""
        if self._source is not None and self._is_due():
            self._asked_at = self._clock()
            self._asked = asyncio.create_task(self._ask(self._source))
            await asyncio.wait({self._asked}, timeout=_PATIENCE_S)
            if not self._asked.done():
                self._missing = ["refused settings: the store has not answered yet."]
        found = [*find_refused(self._refused, self._application, serve), *find_troubled(serve, self._application)]
        return found, self._missing

    def _is_due(self) -> bool:
        is_asked = self._asked is not None and not self._asked.done()
        return not is_asked and self._clock() - self._asked_at >= _FRESH_FOR_S

    async def _ask(self, source: RefusalSource) -> None:
        try:
            self._refused, self._missing = await source.refused_settings(self._application), []
        except AppError as error:
            self._missing = [f"refused settings: {error.detail}"]


def find_refused(refused: Sequence[RefusedSettings], application: str, serve: Section[ServeFacts]) -> Iterable[Finding]:
    """One for each deployment that is there; what one refused that was removed since concerns nobody."""
    there = _list_deployments(serve, application)
    for each in refused:
        if there is not None and each["deployment"] not in there:
            continue
        mistakes = each["mistakes"]
        told = "; ".join(
            f"{one['key']}: got {one['got']}; accepted: {one['expected']}" for one in mistakes[:_MOST_KEYS]
        )
        more = f"; and {len(mistakes) - _MOST_KEYS} more" if len(mistakes) > _MOST_KEYS else ""
        yield Finding(
            REFUSED_SETTING,
            "deployment",
            each["deployment"],
            Verdict.WARN,
            f"{each['deployment']} refused its settings: {told}{more}. {each['in_force']}",
            "Mend them in the file, try it with `python -m serve_app.check`, and deploy it again.",
        )


def find_troubled(serve: Section[ServeFacts], application: str) -> Iterable[Finding]:
    """One for each application that does not do all that was deployed."""
    for app in serve.value.applications if isinstance(serve, Known) else ():
        trouble = describe_trouble(app)
        if trouble is None:
            continue
        own = app.name == application
        yield Finding(
            TROUBLED if own else OTHER_TROUBLED,
            "application",
            app.name,
            Verdict.WARN,
            f"The {trouble}",
            "Mend what is named, try the file with `python -m serve_app.check`, and deploy it again; what ran before "
            "goes on where it can."
            if own
            else "Tell who deployed it: it is not this application.",
        )


def _list_deployments(serve: Section[ServeFacts], application: str) -> set[str] | None:
    apps = serve.value.applications if isinstance(serve, Known) else ()
    own = next((app for app in apps if app.name == application), None)
    return None if own is None else {STORE, *(each.name for each in own.deployments)}
