"""`make up`, after the virtual environment is there: a Ray head, the application on it, ready, and its first report."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from random import SystemRandom
from typing import Any

from organs.times import format_time
from organs.version import read_own_version
from serve_app.check.configuration import check_config, list_notes, read_config
from serve_app.check.stamp import stamp
from serve_app.cluster import ray_http, ray_token
from serve_app.cluster.ray_token import TokenRefused
from serve_app.deploy import merging, previous, rollout
from serve_app.deploy.changes import compare
from serve_app.deploy.failure import Failure, adopt, read_last_lines
from serve_app.deploy.handover import Handover
from serve_app.deploy.home_lock import lock_home
from serve_app.deploy.progress import Progress, handle_reader_left
from serve_app.env import get_variable
from serve_app.hidden.private_file import SecretFileRefused, narrow_mode
from serve_app.local import memory, ports, processes, ray_head, rendering, state
from serve_app.local.leftovers import clear_away
from serve_app.local.plan import APP, Action, Observed, Plan, plan
from serve_app.local.wanted import CHECKOUT, FLAGS_FILE, Wanted
from serve_app.store.engine import find_sqlite_file
from serve_app.store.errors import StoreMisconfigured, StoreUnavailable
from serve_app.store.migrate import preview_opening

FIRST_STEP = 3
REPORT_TIMEOUT_S = 60.0
_POLL_S = 0.5
_KEY_BYTES = 24


def main() -> int:
    """Run `make up`; exit code 0 when the API is ready, 1 with a reason when not."""
    progress = Progress(sys.stdout, FIRST_STEP)
    try:
        wanted = Wanted.read(os.environ)
        wanted.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        # What older versions wrote, and what others of this machine need not read.
        for name in state.PRIVATE_FILES:
            narrow_mode(wanted.home / name)
        with lock_home(wanted.home):
            up = _Up(wanted, progress, dict(os.environ))
            up.run()
    except (Failure, TokenRefused) as failure:
        print(f"\n{adopt(failure).render()}", file=sys.stderr)
        return 1
    except SecretFileRefused as refused:
        said = Failure(str(refused), "Mend the file and run `make up` again.")
        print(f"\n{said.render()}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return handle_reader_left()
    except KeyboardInterrupt:
        print("\ninterrupted; `make up` goes on, `make down` ends what is still running", file=sys.stderr)
        return 130
    return 0


class _Up:
    """One run: looks, decides by ``plan``, then does what the plan says, step by step."""

    def __init__(self, wanted: Wanted, progress: Progress, environ: Mapping[str, str]) -> None:
        self.wanted = wanted
        self.progress = progress
        self.environ = environ
        self.config: dict[str, Any] = {}
        # The same beside what others have deployed there.
        self.merged: dict[str, Any] = {}
        self.before: state.UpState | None = None
        self.replaced: tuple[str, ...] = ()
        self.details: dict[str, Any] = {}
        self.handover = Handover(wanted.dashboard_url, APP, {})

    def run(self) -> None:
        with self.progress.run_step("checks") as step:
            self.config = self._check_config()
            self._check_database()
            observed = self._observe()
            decided = plan(self.wanted, observed)
            if Action.CLEAN_UP in decided.actions and self.before:
                step.say(decided.says[0])
                clear_away(self.before)
                state.forget(self.wanted.home)
                observed = self._observe()
                decided = plan(self.wanted, observed)
            step.outcome = "configuration, ports and memory are fine"
        for text in decided.says:
            self.progress.note(f"      {text}")
        self._provide_head(decided, observed)
        self._deploy(decided, observed)
        with self.progress.run_step("ready") as step:
            step.outcome = self._wait(step.say)
        self._report()

    def _check_config(self) -> dict[str, Any]:
        path = self.wanted.config
        try:
            text = read_config(path)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise Failure(f"{path} cannot be read: {why}.", "Set SEEDCORE_CONFIG to a file.") from None
        problems = check_config(text, path.name, self.environ, will_be_stamped=True)
        if problems:
            listed = "\n".join(problem.render() for problem in problems)
            raise Failure(
                f"{path} has {len(problems)} mistakes." if len(problems) > 1 else f"{path} has a mistake.",
                "Correct the file; `make check-config` checks it without deploying.",
                listed,
            )
        for note in list_notes(text, path.name, datetime.now(UTC)):
            self.progress.note(f"      {note}")
        return stamp(rendering.render(text, self.wanted.http_port), read_own_version())

    def _check_database(self) -> None:
        """A database that cannot be opened keeps the application from ever being ready: it is said before."""
        env = state.find_database(self.wanted.home, self.environ)
        try:
            note = asyncio.run(preview_opening(env)).describe()
        except StoreUnavailable as error:
            path = find_sqlite_file(env) if error.code != StoreMisconfigured.code else None
            if path is None:
                # A server may come up later, and the store finds it then.
                self.progress.note(f"      {error.detail}")
                return
            raise Failure(
                f"{path}: {error.detail}",
                f"Mend it, then run `make up` again; `SEEDCORE_HOME={env.home} .venv/bin/python -m serve_app.database "
                "list` shows which copies there are, `begin` sets it aside and begins anew.",
            ) from None
        if note is not None:
            self.progress.note(f"      {note}")

    def _observe(self) -> Observed:
        wanted = self.wanted
        self.before = state.load(wanted.home)
        ours = self.before is not None and self.before.head_is_ours
        alive = processes.is_head_alive(self.before.processes) if self.before else False
        # A dashboard may outlive its head; what it says then is of no use.
        found = ray_http.find_ray(wanted.dashboard_url) if alive or not ours else None
        details = {} if found is None else self._ask_serve()
        app = details.get("applications", {}).get(APP) or {}
        self.details, self.handover = details, Handover(wanted.dashboard_url, APP, details)
        config_sha256 = rendering.compute_sha256(self.config)
        # Of a head of our own, an application of this kind that the file has no more was ours.
        self.replaced = tuple(merging.list_ours(merging.list_declared(details, without=()))) if ours else ()
        self.merged = merging.merge(self.config, details, replaced=self.replaced)
        return Observed(
            state=self.before,
            head_alive=alive,
            ray=found,
            serve_port=(details.get("http_options") or {}).get("port"),
            app_status=app.get("status"),
            taken={port: ports.describe_owner(port) for port in wanted.ports.values() if not ports.is_free(port)},
            config_sha256=config_sha256,
            prints=rendering.compute_prints(CHECKOUT, FLAGS_FILE, self.environ),
            available_bytes=memory.measure_available_bytes(),
            own_ray_version=version("ray"),
        )

    def _ask_serve(self) -> dict[str, Any]:
        url = self.wanted.dashboard_url
        try:
            return ray_http.fetch_serve_details(url)
        except ray_http.NoAnswer as error:
            raise Failure(
                f"The Ray dashboard at {url} does not tell what is deployed: {error}.",
                "Look at that Ray head, or set SEEDCORE_DASHBOARD_PORT to start another.",
            ) from None

    def _provide_head(self, decided: Plan, observed: Observed) -> None:
        with self.progress.run_step("Ray head") as step:
            if Action.START_HEAD in decided.actions:
                self._start_head(observed, lambda: step.say("starting"))
                step.outcome = "started"
            else:
                step.outcome = "runs already"

    def _start_head(self, observed: Observed, tick: Callable[[], None]) -> None:
        self._provide_token()
        wanted, chosen = self.wanted, ports.choose(ports.is_free, SystemRandom())
        named = rendering.list_named_variables(self.config, self.environ)
        secrets_file, temp_dir = state.save_secrets(wanted.home, self.environ, named), ray_head.make_temp_dir()
        begun = self._build_state(observed, str(temp_dir))
        state.save(wanted.home, begun)
        events_key = self.environ.get(get_variable("events_key")) or secrets.token_urlsafe(_KEY_BYTES)
        environ = ray_head.build_environment(
            self.environ, ray_head.read_flags(), wanted, chosen, temp_dir, events_key, secrets_file, named
        )
        try:
            ray_head.start(
                ray_head.build_command(wanted, chosen, temp_dir), environ, wanted.home / "ray-start.log", tick
            )
        except (Failure, KeyboardInterrupt):
            clear_away(begun)
            state.forget(wanted.home)
            raise
        marks = processes.remember_processes(processes.list_head_processes(str(temp_dir)))
        self.before = begun.model_copy(update={"processes": marks})
        state.save(wanted.home, self.before)
        state.save_driver_file(wanted.home, ray_head.render_driver_environment(environ, wanted))

    def _provide_token(self) -> None:
        made = ray_token.provide_token(self.environ)
        if made is not None:
            self.progress.note(f"      made {made}: this head asks for that token ({ray_token.MODE}=token)")

    def _build_state(self, observed: Observed, temp_dir: str | None) -> state.UpState:
        wanted = self.wanted
        return state.UpState(
            started_at=format_time(datetime.now(UTC)),
            http_port=wanted.http_port if temp_dir else observed.serve_port or wanted.http_port,
            dashboard_port=wanted.dashboard_port, ray_port=wanted.ray_port, temp_dir=temp_dir,
            serve_ran_before=observed.serve_port is not None and temp_dir is None,
            prints=dict(observed.prints),
        )  # fmt: skip

    def _deploy(self, decided: Plan, observed: Observed) -> None:
        with self.progress.run_step("deploy") as step:
            if Action.DEPLOY not in decided.actions:
                step.outcome = "nothing to deploy"
                return
            if observed.app_status == "RUNNING":
                step.say("callers may wait longer meanwhile")
                trouble = self.handover.let_callers_wait(lambda: step.say("callers may wait longer meanwhile"))
                if trouble is not None:
                    self.progress.note(f"      callers may be refused for some seconds: {trouble}")
            step.say("sending the configuration")
            now = self.before or self._build_state(observed, None)
            # Remembered as deployed only when it is: an interrupted run deploys again.
            self.before = now.model_copy(update={"config_sha256": ""})
            state.save(self.wanted.home, self.before)
            if observed.ray is not None:
                # Others may have deployed while callers were given time.
                self.merged = merging.merge(self.config, self._ask_serve(), replaced=self.replaced)
            rendering.write(self.wanted.home, self.merged)
            with self._keep_previous():
                self.handover.send(self.merged, "Correct it and run `make up` again; `make down` ends the head.")
            prints = {**now.prints, rendering.CODE: observed.prints[rendering.CODE]}
            self.before = now.model_copy(update={"config_sha256": observed.config_sha256, "prints": prints})
            state.save(self.wanted.home, self.before)
            step.outcome = f"{self.wanted.config.name} handed to Serve"

    def _keep_previous(self) -> AbstractContextManager[None]:
        """For `python -m serve_app.deploy --previous`; before a head that was just started nothing was in force, and
        where an interrupted run is repeated nothing is replaced.
        """
        if not self.details.get("controller_info"):
            return nullcontext()
        changes = compare(self.merged, self.details, self.config)
        for sentence in changes.ignored:
            self.progress.note(f"      {sentence}")
        if not changes.any:
            return nullcontext()
        home, url, now = self.wanted.home, self.wanted.dashboard_url, format_time(datetime.now(UTC))
        kept = previous.load(home, url)
        before = previous.note_before(changes, self.details, kept, read_own_version(), now)
        return previous.keep(home, url, before)

    def _wait(self, say: Callable[[str], None]) -> str:
        deadline = time.monotonic() + self.wanted.up_timeout_s
        reading, ready = rollout.RolloutStatus("waiting", "NOT_STARTED", "", ""), (0, dict[str, Any]())
        while time.monotonic() < deadline:
            reading = self.handover.look()
            if reading.verdict == "failed":
                raise Failure(
                    f"Serve could not run the application: {reading.status}.", self._explain_failure(), reading.message
                )
            short = self.handover.look_for_shortage()
            if reading.verdict == "running":
                ready = ray_http.fetch_ready_status(self._http_url)
                if ready[0] == 200:
                    return f"{reading.text}, {rollout.describe_ready(*ready)}"
                say(rollout.describe_ready(*ready))
            else:
                say(reading.text if short is None else short.sentence)
            time.sleep(_POLL_S)
        if not ready[0]:
            ready = ray_http.fetch_ready_status(self._http_url)
        last = f"{reading.text}\n{reading.message}\n/ready: {rollout.describe_ready(*ready)}"
        raise Failure(
            f"Not ready after {self.wanted.up_timeout_s:.0f} s.", self._explain_failure(), read_last_lines(last)
        )

    @property
    def _http_url(self) -> str:
        return f"http://127.0.0.1:{self.before.http_port if self.before else self.wanted.http_port}"

    def _explain_failure(self) -> str:
        logs = (
            f"; logs are in {self.before.temp_dir}/session_latest/logs/serve"
            if self.before and self.before.temp_dir
            else ""
        )
        return f"Ray was left running for you to look at: {self.wanted.dashboard_url}{logs}. `make down` ends it."

    def _report(self) -> None:
        url = self._http_url
        sys.stdout.flush()
        environ = ray_head.build_client_environment(self.environ)
        try:
            subprocess.run(
                [sys.executable, "-m", "serve_app.report", "--brief", "--url", url],
                env=environ,
                timeout=REPORT_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            print(f"the report took more than {REPORT_TIMEOUT_S:.0f} s; `make report` prints it later", file=sys.stderr)
        print(_describe_closing(url, self.wanted, self.before.temp_dir if self.before else None))


def _describe_closing(url: str, wanted: Wanted, temp_dir: str | None) -> str:
    """``temp_dir``: where our own Ray head keeps its files; None when the head is not ours."""
    here = "" if wanted.home == CHECKOUT / ".seedcore" else f"SEEDCORE_HOME={wanted.home} "
    job = (
        f"{here}.venv/bin/ray job submit" if temp_dir else f".venv/bin/ray job submit --address {wanted.dashboard_url}"
    )
    rows = [
        ("API", f"{url}/docs"),
        ("report", f"{url}/report?format=html"),
        ("Ray dashboard", wanted.dashboard_url),
        ("submit a job", f"{job} -- python your_script.py"),
    ]
    if temp_dir:
        rows.append(("run a driver", f"{here}.venv/bin/python your_script.py"))
        rows.append(("logs", f"{temp_dir}/session_latest/logs (this application's: serve/)"))
    rows.append(("again, and stop", "make report · make up (after a change) · make down"))
    return "\n".join(["", *(f"  {name:<15} {text}" for name, text in rows)])


if __name__ == "__main__":
    sys.exit(main())
