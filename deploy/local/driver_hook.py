"""Lets a plain script join the Ray head of `make up`: `.venv/bin/python script.py`, and nothing sourced before.

Without it `ray.init()` starts another Ray without a word, and `ray.init(address="127.0.0.1:6379")` hangs, because Ray
2.60 takes 127.0.0.1 for the machine's outward address (`resolve_ip_for_localhost`, ray/_private/services.py), where the
head of `make up` does not listen.

`bootstrap.py`, beside it, copies this file into the virtual environment, whose Python calls ``install`` whenever it
starts. So it is the standard library alone, imports nothing of this project (another version of it may be on the path),
and does nothing before a program imports Ray. What it sets are variables of Ray; one that is set already stays.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in `typing`, which would cost too
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

# Which Ray is meant. Who has set one of them to something else, even to nothing, means another.
ADDRESSES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_DASHBOARD_ADDRESS")
# In the environment of everything that runs in a head of ours (serve_app/local/processes.py): that head's directory.
MARKER = "SEEDCORE_UP_HEAD"
# Programs that start heads of their own, or are told where theirs is: this project's, its tests, and Ray's processes.
NOT_DRIVERS = frozenset({"serve_app", "organs", "tests", "pytest", "py.test", "coverage", "ray", "serve"})
# The commands of Ray that only ask a cluster or hand something to it. `ray start` above all is none of them.
CLIENT_COMMANDS = {
    "ray": frozenset({"get", "job", "list", "logs", "memory", "status", "summary", "timeline"}),
    "serve": frozenset({"config", "controller-health", "deploy", "run", "shutdown", "start", "status"}),
}
_ESSENTIAL = frozenset({"gcs_server", "raylet"})
_WRITABLE_BY_OTHERS = 0o022


class NotTrusted(Exception):
    """A file that others could have written; who decides where a script connects decides what it runs."""


class RememberedHead:
    """What `make up` remembered of its head: the directory, and (name, pid, start in seconds since the epoch).

    ``boot_id`` and ``booted_at_s`` say by which clock (``Boot`` in serve_app/local/state.py); empty when an
    older version wrote it.
    """

    def __init__(
        self, temp_dir: str, processes: list[tuple[str, int, float]], boot_id: str, booted_at_s: float
    ) -> None:
        self.temp_dir = temp_dir
        self.processes = processes
        self.boot_id = boot_id
        self.booted_at_s = booted_at_s


class BeforeRay:
    """Stands first in ``sys.meta_path``, finds no module, and prepares the environment once Ray is looked for."""

    def __init__(self, checkout: str, environ: MutableMapping[str, str]) -> None:
        self._checkout = checkout
        self._environ = environ
        self._is_done = False

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """What the import system calls for every module."""
        if name == "ray" and not self._is_done:
            self._is_done = True
            join(self._checkout, self._environ)


def install(checkout: str) -> None:
    """Called by the environment's Python when it starts; ``checkout`` is where `make up` runs."""
    argv = getattr(sys, "argv", None) or [""]
    program = name_program(argv, sys.orig_argv, os.path.realpath(sys.prefix), checkout)
    # An environment's path files are run twice (`main` in site.py of Python 3.11).
    if is_driver(argv, program) and not any(isinstance(finder, BeforeRay) for finder in sys.meta_path):
        sys.meta_path.insert(0, BeforeRay(checkout, os.environ))


def join(checkout: str, environ: MutableMapping[str, str]) -> None:
    """Set in ``environ`` what is missing to join the head of `make up`, or say on stderr why that cannot be."""
    home = os.path.join(checkout, os.path.expanduser(environ.get("SEEDCORE_HOME") or ".seedcore"))
    try:
        head, given = read_head(os.path.join(home, "up.json")), read_variables(os.path.join(home, "ray.env"))
    except NotTrusted as error:
        if not any(name in environ for name in ADDRESSES):
            print(f"seedcore: {error}, so no Ray is looked for there; `make down`, then `make up`.", file=sys.stderr)
        return
    if head is None or not is_meant(environ, given, head.temp_dir):
        return
    if is_alive(head):
        environ.update(missing_variables(environ, given))
        return
    print(
        f"seedcore: the Ray head that `make up` started at {given['RAY_ADDRESS']} is gone. "
        "`make up` starts it again, `make down` forgets it.",
        file=sys.stderr,
    )


def name_program(argv: list[str], whole_argv: list[str], prefix: str, checkout: str) -> str:
    """The top name of what runs: of a module (``-m``), of a command or package of the environment, or in the checkout.

    Empty for ``-c``, standard input, a prompt, and a script from anywhere else. ``whole_argv`` is ``sys.orig_argv``.
    """
    if argv[0] == "-m":  # not yet replaced by the module's file; the module is what precedes the arguments
        module = whole_argv[-len(argv)]
        if module.startswith("-"):
            module = module[module.index("m") + 1 :]
        return module.partition(".")[0]
    script = os.path.realpath(argv[0])
    for root in (os.path.join(prefix, "bin"), os.path.dirname(os.path.realpath(__file__)), os.path.realpath(checkout)):
        if argv[0] not in ("", "-", "-c") and script.startswith(root + os.sep):
            return script[len(root) + 1 :].partition(os.sep)[0]
    return ""


def is_driver(argv: list[str], program: str) -> bool:
    """Whether this program is somebody's driver, or a command that asks a cluster."""
    if program in CLIENT_COMMANDS and os.path.basename(argv[0]) == program:
        return len(argv) > 1 and argv[1] in CLIENT_COMMANDS[program]
    return program not in NOT_DRIVERS


def is_meant(environ: Mapping[str, str], given: Mapping[str, str], temp_dir: str) -> bool:
    """Whether nothing says that another Ray is meant: an address, or that this runs inside of another."""
    if "RAY_ADDRESS" not in given:
        return False
    for name in ADDRESSES:
        if name in environ and environ[name].replace("localhost", "127.0.0.1") != given.get(name):
            return False
    return environ.get(MARKER) == temp_dir if MARKER in environ else "RAY_RAYLET_PID" not in environ


def missing_variables(environ: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Of the variables of `ray.env` those to set.

    Not that tokens are off: with an address Ray does not look for any, and a Ray that the script starts itself
    (`ray.init(address="local")`) shall keep its token.
    """
    wanted = {name: value for name, value in given.items() if (name, value) != ("RAY_AUTH_MODE", "disabled")}
    return {name: value for name, value in wanted.items() if name not in environ}


def read_head(path: str) -> RememberedHead | None:
    """The head that `make up` remembers (serve_app/local/state.py), None without one; raises ``NotTrusted``."""
    import json  # only for programs that use Ray

    try:
        state = json.loads(_read(path) or "{}")
        marks = [(str(each["name"]), int(each["pid"]), float(each["started_at_s"])) for each in state["processes"]]
        boot = state.get("boot") or {"boot_id": "", "booted_at_s": 0.0}
        if not state["temp_dir"] or not marks:
            return None
        return RememberedHead(state["temp_dir"], marks, str(boot["boot_id"]), float(boot["booted_at_s"]))
    except (LookupError, TypeError, ValueError):  # not what `make up` wrote, which the next `make up` says
        return None


def read_variables(path: str) -> dict[str, str]:
    """The lines ``NAME=value`` of the file for drivers, none when it is not there; raises ``NotTrusted``."""
    pairs = [line.partition("=") for line in _read(path).splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


def is_alive(head: RememberedHead) -> bool:
    """Whether GCS and raylet are the processes that `make up` started: same pid, same start, by whatever clock."""
    boot_id, booted_at_s = _read_boot()
    remembered_s = head.booted_at_s if head.boot_id and head.boot_id == boot_id else booted_at_s
    alive = {name for name, pid, started_at_s in head.processes if _runs(pid, started_at_s - remembered_s)}
    return alive >= _ESSENTIAL


def _read_boot() -> tuple[str, float]:
    """The kernel's name for this start of the machine, and when that was by the clock as it is set now (proc(5))."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot_id = file.read().strip()
        with open("/proc/stat") as file:
            return boot_id, next((float(line.split()[1]) for line in file if line.startswith("btime ")), 0.0)
    except OSError:
        return "", 0.0


def _runs(pid: int, started_s: float) -> bool:
    """Whether that process runs which began so many seconds after the start of the machine."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()  # the name before it may contain anything
    except OSError:
        return False
    return fields[0] != "Z" and abs(int(fields[19]) / os.sysconf("SC_CLK_TCK") - started_s) < 1.0  # proc(5), field 22


def _read(path: str) -> str:
    """The text of a file that only its owner can write, who is this user or whose environment this is; else nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = os.fstat(file.fileno())
            if found.st_mode & _WRITABLE_BY_OTHERS or found.st_uid not in (os.getuid(), os.stat(__file__).st_uid):
                raise NotTrusted(f"{path} can be written by others")
            return file.read()
    except OSError:
        return ""
