"""The settings that a replica works with, whatever it is given.

Serve kills a replica whose ``reconfigure`` raises, and gives the next one the same: one wrong value would take a
deployment down until a person comes (ray/serve/_private/deployment_state.py of Ray 2.60). So what is not acceptable is
refused and told, and the last good settings stay in force: they are in the store, for replicas that start meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from ray import serve
from ray.serve.exceptions import RayServeException

from organs.errors import CodedError
from organs.live.mistakes import Mistake, WrongSetting, format_path, list_mistakes

T = TypeVar("T")

log = logging.getLogger("ray.serve.seedcore")

# A store that starts together with its askers is there in less; the API cannot wait for one that is gone.
START_LIMIT_S = 20.0
USER_CONFIG = "user_config"
_MOST_MISTAKES = 5
# The store redacts and cuts for people; what is cut too early no longer looks like what has to be redacted.
_SENT_CHARS = 2_000
_ASK_AGAIN_S = 1.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# Of the refusals of a request that of a queue that is full alone (429) says nothing of what was sent.
_TOO_BUSY = 429

BEFORE = "Those of before stay in force."
LAST_GOOD = "The last good ones are in force."
NONE_BEFORE = "None were accepted before, so the defaults are in force."
NOT_ASKED = "The store could not be asked for the last good ones, so the defaults are in force."
NOT_USABLE = "The last good ones are not acceptable to this version, so the defaults are in force."


class SettingsStore(Protocol):
    """Where settings are kept; every method raises a ``CodedError`` when it cannot answer."""

    async def last_settings(self, application: str, deployment: str) -> dict[str, Any] | None:
        """The settings of the deployment that were accepted last; None when none ever were."""
        ...

    async def note_settings(
        self, application: str, deployment: str, accepted: Mapping[str, Any] | None, refused: Mapping[str, Any] | None
    ) -> None:
        """Keep settings that are in force, which ends a refusal; or a refusal, which leaves them as they are."""
        ...


class LiveSettings(Generic[T]):
    """What is in force of one deployment's ``user_config``, as this replica reads it.

    ``read`` makes of a ``user_config`` what the deployment works with, and raises ``ValidationError`` or
    ``WrongSetting``; of an empty one it makes the defaults.
    """

    def __init__(
        self,
        deployment: str,
        model: type[BaseModel],
        read: Callable[[Mapping[str, Any]], T],
        store: SettingsStore | None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        find_application: Callable[[], str] | None = None,
    ) -> None:
        """Without a ``store`` nothing outlives the replica. Tests give the rest."""
        self._deployment = deployment
        self._model = model
        self._read = read
        self._store = store
        self._sleep = sleep
        self._find_application = find_application or _find_application
        self._in_force: T | None = None
        self._words = BEFORE
        self._taking = asyncio.Lock()
        self._unnoted: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.refused: Mapping[str, Any] | None = None
        """What was refused last, as the store is told it; None when what was given last is in force."""

    async def take(self, given: Any) -> T:
        """What is in force after these were given; never raises for what is in them."""
        async with self._taking:
            try:
                taken = self._read(given)
            except (Exception, SystemExit) as error:  # noqa: BLE001  # told; nothing that people write ends a replica
                return await self._refuse(given, error)
            self._in_force, self._words, self.refused = taken, BEFORE, None
            self._note(given, None)
            return taken

    async def close(self) -> None:
        """Give up what the store could not be told."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def settle(self) -> None:
        """Return when the store was told, or will not be; for tests."""
        if self._keeper is not None:
            await asyncio.wait({self._keeper})

    async def _refuse(self, given: Any, error: BaseException) -> T:
        found = list(describe_refusal(given, error, self._model))
        if self._in_force is None:
            self._in_force, self._words = await self._recover()
        self.refused = {
            "mistakes": [
                {"key": format_path(each.path), "got": each.got, "expected": each.expected[:_SENT_CHARS]}
                for each in found[:_MOST_MISTAKES]
            ],
            "in_force": self._words,
        }
        # The key alone: values of others are redacted where they are told, and the store does that.
        log.error(
            "settings of %s refused, GET /ready says why: %s",
            self._deployment,
            format_path(found[0].path),
            extra={"action": "settings_refused", "deployment": self._deployment},
            exc_info=None if isinstance(error, ValueError) else error,
        )
        self._note(None, self.refused)
        return self._in_force

    async def _recover(self) -> tuple[T, str]:
        """What a replica begins with that was given what it cannot take, and how that is said."""
        kept, words = None, NONE_BEFORE
        if self._store is not None:
            try:
                async with asyncio.timeout(START_LIMIT_S):
                    kept = await self._ask(self._store)
            except TimeoutError:
                words = NOT_ASKED
        if kept is not None:
            try:
                return self._read(kept), LAST_GOOD
            except (Exception, SystemExit):  # as in `take`
                log.exception("kept settings are not usable", extra={"action": "settings_not_usable"})
                words = NOT_USABLE
        return self._read({}), words

    async def _ask(self, store: SettingsStore) -> dict[str, Any] | None:
        """Again and again: a store that starts at the same time is there soon. The caller has the deadline."""
        while True:
            try:
                return await store.last_settings(self._find_application(), self._deployment)
            except CodedError as error:
                log.warning("last settings not known: %s", error.detail, extra={"action": "settings_not_known"})
            await self._sleep(_ASK_AGAIN_S)

    def _note(self, accepted: Mapping[str, Any] | None, refused: Mapping[str, Any] | None) -> None:
        """Tell the store beside the work, which must not wait for it."""
        if accepted is None and self._unnoted is not None:
            accepted = self._unnoted[0]  # a refusal takes nothing back
        self._unnoted = (accepted, refused)
        if self._store is not None and (self._keeper is None or self._keeper.done()):
            self._keeper = asyncio.create_task(self._keep(self._store))

    async def _keep(self, store: SettingsStore) -> None:
        """Until the store has what is newest, however long it is away."""
        pause_s = _FIRST_PAUSE_S
        while self._unnoted is not None:
            noted = self._unnoted
            try:
                await store.note_settings(self._find_application(), self._deployment, *noted)
            except CodedError as error:
                log.warning("settings not kept: %s", error.detail, extra={"action": "settings_not_kept"})
                if error.status >= 500 or error.status == _TOO_BUSY:
                    await self._sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                    continue
            if self._unnoted is noted:
                self._unnoted = None


def describe_refusal(given: Any, error: BaseException, model: type[BaseModel]) -> Iterable[Mistake]:
    """Why settings that were ``given`` are not accepted, by key; at least one."""
    if isinstance(error, ValidationError):
        found: Sequence[Mistake] = list(list_mistakes(error, (USER_CONFIG,), model, _quote))
        if found:
            return found
    if isinstance(error, WrongSetting):
        got = given.get(error.key) if isinstance(given, Mapping) else given
        return [Mistake((USER_CONFIG, error.key), _quote(got), f"another value: {error}")]
    return [Mistake((USER_CONFIG,), "what cannot be read", f"other settings: {type(error).__name__}; its log has more")]


def _quote(value: Any) -> str:
    try:
        return repr(value)[:_SENT_CHARS]
    except (ValueError, RecursionError):  # of a number with thousands of digits, or of lists in lists
        return f"a {type(value).__name__} that cannot be shown"


def _find_application() -> str:
    """The application of this replica; outside of one, which is so in tests, there is none."""
    try:
        return str(serve.get_replica_context().app_name)
    except RayServeException:
        return ""
