"""`make down`: ends exactly what `make up` started here, and says what it left."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from serve_app.cluster import ray_http
from serve_app.cluster.ray_token import TokenRefused
from serve_app.deploy import merging
from serve_app.deploy.failure import Failure, adopt
from serve_app.deploy.home_lock import lock_home
from serve_app.deploy.progress import Progress, ProgressStep, handle_reader_left
from serve_app.env import Env
from serve_app.errors import InvalidInput
from serve_app.hidden.private_file import SecretFileRefused
from serve_app.local import processes, state
from serve_app.local.leftovers import clear_away
from serve_app.local.plan import APP
from serve_app.local.state import UpState
from serve_app.local.wanted import Wanted
from serve_app.store.engine import find_database_url
from serve_app.store.errors import StoreUnavailable
from serve_app.store.store import Store

# Organs finish their tasks and agents write a last checkpoint within this; what is not done then is ended all the same.
SERVE_SHUTDOWN_TIMEOUT_S = 30.0
DELETE_TIMEOUT_S = 60.0


def main() -> int:
    """Run `make down`; exit code 0 when nothing of ours runs any more."""
    progress = Progress(sys.stdout, 1, 2)
    try:
        wanted = Wanted.read(os.environ)
        found = state.load(wanted.home)
        if found is None:
            print(f"nothing to stop: `make up` started nothing that is still remembered in {wanted.home}")
            return 0
        with lock_home(wanted.home):
            if found.head_is_ours:
                _end_our_head(found, wanted.home, progress)
            else:
                _remove_from(found, progress)
            state.forget(wanted.home)
    except (Failure, TokenRefused) as failure:
        print(f"\n{adopt(failure).render()}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return handle_reader_left()
    except KeyboardInterrupt:
        print("\ninterrupted; run `make down` again to finish", file=sys.stderr)
        return 130
    print(f"kept: {wanted.home} with the database; delete the directory to forget everything")
    return 0


def _end_our_head(found: UpState, home: Path, progress: Progress) -> None:
    # Before they are forgotten with the head.
    database, failure = _find_database(home)
    with progress.run_step("application") as step:
        step.say("draining")
        # What had gone before we came was not ended on request.
        alive = processes.is_head_alive(found.processes)
        session, step.outcome = _shut_serve_down(found) if alive else (None, "the head was gone already")
    with progress.run_step("Ray head") as step:
        step.say("ending its processes")
        step.outcome = f"{clear_away(found)} processes ended, {found.temp_dir} removed"
    if session is not None:
        failure = failure if database is None else tell_history(database, session)
        if failure:
            progress.note(f"the history does not know that its jobs were stopped on request: {failure}")


def _find_database(home: Path) -> tuple[Env | None, str | None]:
    """Where the history is, or why that cannot be told: no reason to let a head run on."""
    try:
        return state.find_database(home, os.environ), None
    except SecretFileRefused as refused:
        return None, str(refused)


def tell_history(env: Env, session: str) -> str | None:
    """Let the history know that this session ended on request; why that could not be, or None when it is done."""
    try:
        url = find_database_url(env)
        return None if asyncio.run(_end_session(url, session)) else f"it has no session {session}"
    except (StoreUnavailable, InvalidInput) as error:
        return error.detail


async def _end_session(url: str, session: str) -> bool:
    store = await Store.open(url)
    try:
        return await store.end_session(session)
    finally:
        await store.close()


def _shut_serve_down(found: UpState) -> tuple[str | None, str]:
    """The name of its session, None if nobody answered, and what became of Serve.

    A head of ours is ended also where its token is not at hand; then its directory tells the session.
    """
    url, session = _find_dashboard_url(found), None
    try:
        ray = ray_http.find_ray(url)
        session = None if ray is None else ray.session
        ray_http.shut_serve_down(url, SERVE_SHUTDOWN_TIMEOUT_S)
    except TokenRefused as refused:
        latest = Path(str(found.temp_dir)) / "session_latest"
        session = latest.resolve().name if latest.is_symlink() else None
        return session, f"not asked to end by itself ({refused.cause} {refused.next_step})"
    except ray_http.NoAnswer as error:
        return session, f"did not end by itself ({error})"
    return session, "shut down"


def _remove_from(found: UpState, progress: Progress) -> None:
    url = _find_dashboard_url(found)
    with progress.run_step("application") as step:
        if ray_http.find_ray(url) is None:
            step.outcome = f"no Ray answers at {url} any more"
            return
        try:
            _delete(found, url, step)
        except ray_http.NoAnswer as error:
            raise Failure(
                f"The Ray head at {url} did not remove the application: {error}.", "Run `make down` again."
            ) from None
        step.outcome = f"{APP} removed"
    progress.note(f"left: the Ray head at {url}, which `make up` did not start")


def _delete(found: UpState, url: str, step: ProgressStep) -> None:
    details = ray_http.fetch_serve_details(url)
    if APP not in details.get("applications", {}):
        return
    if not found.serve_ran_before and set(details["applications"]) == {APP}:
        ray_http.shut_serve_down(url, DELETE_TIMEOUT_S)
    else:
        ray_http.put_config(url, merging.list_remaining(details, without=[APP]))
    deadline = time.monotonic() + DELETE_TIMEOUT_S
    while APP in ray_http.fetch_serve_details(url).get("applications", {}):
        if time.monotonic() > deadline:
            raise ray_http.NoAnswer(f"it was still there after {DELETE_TIMEOUT_S:.0f} s")
        step.say("waiting for replicas to end")
        time.sleep(0.5)


def _find_dashboard_url(found: UpState) -> str:
    return f"http://127.0.0.1:{found.dashboard_port}"


if __name__ == "__main__":
    sys.exit(main())
