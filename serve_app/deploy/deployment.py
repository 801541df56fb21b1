"""One deployment from the command line: what is wanted, what is there, what is sent, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from organs.times import format_time
from organs.version import read_own_version
from serve_app.check.configuration import check_config, find_exposure, list_notes, read_config
from serve_app.check.stamp import stamp
from serve_app.cluster import ray_http
from serve_app.deploy import merging, previous
from serve_app.deploy.changes import Changes, compare
from serve_app.deploy.failure import Failure
from serve_app.deploy.handover import Handover

_POLL_S = 0.5
# They are in the environment of who started that Ray, and nothing tells of them from outside.
_TOKENS_NOT_SEEN = (
    "http_options.host of the file lets other machines in, and no token is configured here: where the cluster has "
    "none, either, the application refuses to run"
)
_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104


@dataclass(frozen=True)
class Order:
    """What was asked for. ``config`` None: what was in force before; ``exact``: the file holds everybody's."""

    dashboard_url: str
    config: Path | None
    exact: bool
    timeout_s: float


class Deployment:
    """``prepare`` decides and changes nothing, ``send`` does it, ``follow`` tells the outcome."""

    def __init__(self, order: Order, home: Path, environ: Mapping[str, str]) -> None:
        self.order = order
        self._home = home
        self._environ = environ
        self._notes: list[str] = []
        self._details: dict[str, Any] = {}
        self._asked: dict[str, Any] = {}
        self._replaced: tuple[str, ...] = ()
        self._changes = Changes()
        self._handovers: dict[str, Handover] = {}

    def prepare(self) -> Changes:
        """What would be done; raises ``Failure`` for what Serve, or ``check``, would refuse."""
        asked = None if self.order.config is None else self._read_file(self.order.config)
        self._details = self._ask()
        if asked is None:
            before = self._find_before()
            self._replaced = before.added
            asked = {**merging.list_remaining(self._details, ()), "applications": list(before.applications)}
        else:
            self._replaced = tuple(merging.list_declared_names(self._details)) if self.order.exact else ()
        self._asked = asked
        merged = merging.merge(asked, self._details, replaced=self._replaced)
        names = [str(app["name"]) for app in asked["applications"]]
        _require_free_routes(merged, names)
        self._changes = compare(merged, self._details, asked)
        self._notes += _list_migrations(asked["applications"], self._details)
        followed = [*self._changes.added, *(name for name, _ in self._changes.changed)] or names
        self._handovers = {name: Handover(self.order.dashboard_url, name, self._details) for name in followed}
        return self._changes

    def list_notes(self) -> list[str]:
        """What is worth knowing before one agrees, one line each."""
        return [f"  note    {note}" for note in self._notes]

    def send(self, say: Callable[[str], None]) -> None:
        """Keep what is in force, then replace it. Raises ``Failure``, also when somebody else deployed meanwhile."""
        url, now = self.order.dashboard_url, self._ask()
        if merging.list_declared(now, ()) != merging.list_declared(self._details, ()):
            raise Failure("What is deployed there was changed meanwhile, so nothing was sent.", "Run it again.")
        kept = previous.load(self._home, url)
        before = previous.note_before(self._changes, now, kept, read_own_version(), format_time(datetime.now(UTC)))
        ours = [name for name in merging.list_ours(self._asked["applications"]) if name in self._handovers]
        for handover in (self._handovers[name] for name in ours):
            if handover.status == "RUNNING":
                say("callers may wait longer meanwhile")
                trouble = handover.let_callers_wait(lambda: None)
                if trouble is not None:
                    say(f"callers may be refused for some seconds: {trouble}")
        say("sending the configuration")
        now = self._ask()
        first, *others = self._handovers.values() or [Handover(url, "", now)]
        for each in (first, *others):
            each.expect_newer(now)
        # Merged anew: others may have deployed while callers were given time.
        merged = merging.merge(self._asked, now, replaced=self._replaced)
        with previous.keep(self._home, url, before):
            first.send(merged, "Correct it and deploy again.")

    def follow(self, say: Callable[[str], None]) -> str:
        """Wait until all that was sent runs; raises ``Failure`` with Serve's words, or when time is up."""
        deadline, last = time.monotonic() + self.order.timeout_s, ""
        waiting = dict(self._handovers)
        text = "nothing was seen"
        while waiting and time.monotonic() < deadline:
            for name, handover in list(waiting.items()):
                reading = handover.look()
                text = f"{name}: {reading.text}"
                if reading.verdict == "failed":
                    raise Failure(
                        f"Serve could not run {name}: {reading.status}.", self._advise_after_failure(), reading.message
                    )
                short = handover.look_for_shortage()
                if short is not None:
                    text = f"{name}: {short.sentence}"
                if reading.verdict == "running":
                    del waiting[name]
                elif text != last:
                    say(text)
                    last = text
            if waiting:
                time.sleep(_POLL_S)
        if waiting:
            raise Failure(
                f"Not running after {self.order.timeout_s:.0f} s: {', '.join(waiting)}.",
                self._advise_after_failure(),
                text,
            )
        return self._describe_outcome()

    def _read_file(self, path: Path) -> dict[str, Any]:
        try:
            text = read_config(path)
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"{path} cannot be read: {error}.", "Name a configuration, as serve_config.yaml.") from None
        problems = check_config(text, path.name, None, will_be_stamped=True)
        if problems:
            raise Failure(
                f"{path} is not acceptable.",
                f"Correct it; `python -m serve_app.check {path}` checks it alone.",
                "\n".join(problem.render() for problem in problems),
            )
        self._notes += list_notes(text, path.name, datetime.now(UTC))
        given: dict[str, Any] = yaml.safe_load(text)
        if merging.list_ours(given["applications"]) and any(find_exposure(given, self._environ)):
            self._notes.append(_TOKENS_NOT_SEEN)
        stamped = stamp(given, read_own_version())["applications"]
        # What comes with its code is of the version that its file names.
        pairs = zip(given["applications"], stamped, strict=True)
        return {**given, "applications": [previous.keep_version(own, each) for own, each in pairs]}

    def _find_before(self) -> previous.Before:
        before = previous.load(self._home, self.order.dashboard_url)
        if before is None:
            raise Failure(
                f"Nothing was deployed to {self.order.dashboard_url} from {self._home}, so there is no way back.",
                "Deploy the configuration of before as a file.",
            )
        here = read_own_version()
        needed = [each for each in previous.list_needed_versions(before.applications) if each != here]
        if needed:
            raise Failure(
                f"What was in force before is of the code {' and '.join(needed)}; installed here is {here}.",
                f"Install {needed[0]} on every node and here, then run this again.",
            )
        self._notes.append(f"going back to what was replaced at {before.kept_at}")
        return before

    def _ask(self) -> dict[str, Any]:
        url = self.order.dashboard_url
        try:
            found = ray_http.find_ray(url)
            if found is None:
                raise Failure(f"No Ray answers at {url}.", "Start it, or name its dashboard with --address.")
            ours = version("ray")
            if found.version.split(".")[:2] != ours.split(".")[:2]:
                raise Failure(
                    f"The Ray at {url} is a Ray {found.version}; this application is made for Ray {ours}.",
                    "Install that Ray on every node of the cluster.",
                )
            return ray_http.fetch_serve_details(url)
        except ray_http.NoAnswer as error:
            raise Failure(
                f"The dashboard at {url} does not tell what is deployed: {error}.", "Look at that Ray head."
            ) from None

    def _advise_after_failure(self) -> str:
        back = f"python -m serve_app.deploy --previous -a {self.order.dashboard_url}"
        return f"Mend the cause and deploy again, or go back: `{back}`."

    def _describe_outcome(self) -> str:
        details = self._ask()
        there = details.get("applications", {})
        lines = [f"{name}: {(there.get(name) or {}).get('status')}" for name in self._handovers]
        lines += [f"{name}: {'being deleted' if name in there else 'deleted'}" for name in self._changes.deleted]
        for name in merging.list_ours(merging.list_declared(details, ())):
            lines.append(
                f"next:  python -m serve_app.report --url {_find_api(details, name, self.order.dashboard_url)}"
            )
        return "\n".join(lines)


def _find_api(details: Mapping[str, Any], name: str, dashboard_url: str) -> str:
    """Where the application answers, as Serve listens; of all addresses that of the head."""
    options = details.get("http_options") or {}
    host = str(options.get("host", ""))
    if host in _ANYWHERE:
        host = urlsplit(dashboard_url).hostname or "127.0.0.1"
    prefix = str((details["applications"].get(name) or {}).get("route_prefix") or "/").rstrip("/")
    return f"http://{f'[{host}]' if ':' in host else host}:{options.get('port', 8000)}{prefix}"


def _list_migrations(asked: Iterable[Mapping[str, Any]], details: Mapping[str, Any]) -> Iterator[str]:
    """What another version does to the database, which is not to be found out when going back does not work."""
    ours = merging.list_ours(asked)
    in_force = {str(app["name"]): app for app in merging.list_declared(details, ()) if app["name"] in ours}
    for app in asked:
        before = previous.list_needed_versions([in_force[app["name"]]] if app["name"] in in_force else ())
        if before and before != previous.list_needed_versions([app]):
            yield (
                f"{app['name']}, where its code differs, brings a database of {before[0]} to its own revision, if that "
                "is another one: of SQLite a copy is kept (`python -m serve_app.database back`), PostgreSQL has no way "
                "back but your own dump (pg_dump), to be made before"
            )


def _require_free_routes(config: Mapping[str, Any], names: Iterable[str]) -> None:
    clash = merging.find_clash(config, names)
    if clash is not None:
        raise Failure(
            f"{clash[0]} and {clash[1]}, which is deployed there, both want the route {clash[2]}.",
            f"Give {clash[0]} another route_prefix; or, where it takes the place of {clash[1]}, deploy a file that "
            "holds everything, with --exact.",
        )
