#!/usr/bin/env python3
"""The part of `make up` that runs before anything is installed: a virtual environment with the pinned packages.

    bootstrap.py up | down | venv [--dev]

Only the standard library, and a syntax that Python 3.6 still reads: somebody with an old interpreter shall get a
sentence, not a SyntaxError. Hence quoted annotations, and no annotations import from ``__future__``.
"""
# ruff: noqa: I002

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST = (3, 11)
TRIED = ("python3.13", "python3.12", "python3.11")
CHECKOUT = Path(__file__).resolve().parent.parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed-lock"
LOG = VENV / "install.log"
LOCK = CHECKOUT / "requirements.lock"
DEV_LOCK = CHECKOUT / "requirements-dev.lock"
DRIVER_HOOK = CHECKOUT / "deploy" / "local" / "driver_hook.py"
NEEDED_DISK_BYTES = 1500 * 2**20
PROGRAMS = {"up": "serve_app.local.up", "down": "serve_app.local.down"}
USAGE = "usage: bootstrap.py up | down | venv [--dev]"


class Failure(Exception):
    """One sentence of cause, one of what to do next, and what a command printed last."""

    def __init__(self, cause: str, next_step: str, details: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step
        self.details = details

    def text(self) -> str:
        """The whole message, as printed."""
        last = [line for line in self.details.splitlines() if line.strip()][-12:]
        return "\n".join(["", "error: " + self.cause, *("  | " + line for line in last), "next:  " + self.next_step])


def main(arguments: "list[str]") -> int:
    """Prepare what the command needs, then become the program that does the rest."""
    words = [word for word in arguments if word != "--dev"]
    if len(words) != 1 or words[0] not in ("up", "down", "venv"):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        if sys.version_info < OLDEST:
            _become(_newer_python(), [str(Path(__file__).resolve()), *arguments])
        if words[0] == "down" and not PYTHON.exists():
            print("nothing to stop: there is no virtual environment, so `make up` never ran here")
            return 0
        if words[0] != "down":
            prepare(dev="--dev" in arguments)
    except Failure as failure:
        print(failure.text(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; run it again to go on", file=sys.stderr)
        return 130
    if words[0] in PROGRAMS:
        os.chdir(str(CHECKOUT))
        _become(str(PYTHON), ["-m", PROGRAMS[words[0]]])
    return 0


def prepare(dev: bool) -> None:
    """Make the virtual environment and install the lock, each only when it is not there yet."""
    if _runs_new_enough(str(PYTHON)):
        print("[1/6] virtual environment: there")
    else:
        _make_venv()
    lock = DEV_LOCK if dev else LOCK
    if _digest(lock) in _installed():
        print("[2/6] packages: installed")
    else:
        _install(lock)
    _link_project()


def _newer_python() -> str:
    """An interpreter that is new enough. A name on PATH may be a shim that runs nothing, so each is tried."""
    here = ".".join(str(part) for part in sys.version_info[:3])
    for name in TRIED:
        found = shutil.which(name)
        if found and _runs_new_enough(found):
            print(f"Python {here} is too old; going on with {found}")
            return found
    raise Failure(
        f"Python 3.11 or newer is needed; this is Python {here}, and none of {', '.join(TRIED)} is on PATH.",
        "Install one of them, or name one: `make up PYTHON=/path/to/python3.12`.",
    )


def _runs_new_enough(python: str) -> bool:
    code = f"import sys; sys.exit(0 if sys.version_info >= {OLDEST!r} else 1)"
    try:
        done = subprocess.call([python, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        return False
    return done == 0


def _become(python: str, arguments: "list[str]") -> None:
    sys.stdout.flush()
    os.execv(python, [python, *arguments])  # noqa: S606


def _make_venv() -> None:
    begun = time.monotonic()
    shutil.rmtree(str(VENV), ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(str(VENV), ignore_errors=True)
        major, minor, _ = sys.version_info[:3]
        raise Failure(
            f"{sys.executable} cannot make a virtual environment.",
            f"On Debian and Ubuntu `apt-get install python{major}.{minor}-venv` helps; elsewhere take a Python that "
            "has `venv` and `ensurepip`.",
            done.stdout + done.stderr,
        )
    made = ".".join(str(part) for part in sys.version_info[:3])
    print(f"[1/6] virtual environment: made with Python {made}, {time.monotonic() - begun:.1f} s")


def _install(lock: Path) -> None:
    free = shutil.disk_usage(str(VENV)).free
    if free < NEEDED_DISK_BYTES:
        raise Failure(
            f"Not enough disk space: {free / 2**30:.1f} GiB are free, {NEEDED_DISK_BYTES / 2**30:.1f} GiB are needed.",
            "Free some, then run it again.",
        )
    begun = time.monotonic()
    total = _count_packages(lock)
    STAMP.unlink() if STAMP.exists() else None
    returncode = _run_pip(lock, total, begun)
    if returncode != 0:
        said = LOG.read_text()
        raise Failure(
            f"pip could not install the packages of {lock.name}.",
            f"See whether the package index can be reached; everything pip said is in {LOG}.",
            "\n".join(line for line in said.splitlines() if not line.startswith("WARNING: Location ")),
        )
    satisfied = [LOCK, DEV_LOCK] if lock == DEV_LOCK else [LOCK]
    STAMP.write_text("\n".join(_digest(each) for each in satisfied) + "\n")
    start = "\r\033[K" if sys.stdout.isatty() else ""
    print(f"{start}[2/6] packages: {total} installed from {lock.name}, {time.monotonic() - begun:.1f} s")


def _run_pip(lock: Path, total: int, begun: float) -> int:
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "--require-hashes", "-r", str(lock)]
    seen = 0
    with LOG.open("w") as log, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    ) as pip:  # fmt: skip
        for line in pip.stdout or ():
            log.write(line)
            elapsed_s = time.monotonic() - begun
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                seen += 1
                _progress(f"[2/6] packages: {seen} of {total} fetched, {elapsed_s:.0f} s", seen % 25 == 0)
            elif line.startswith("Installing collected packages"):
                _progress(f"[2/6] packages: unpacking, {elapsed_s:.0f} s", True)
    return pip.returncode


def _link_project() -> None:
    """Make ``serve_app`` and ``organs`` importable by the environment's Python everywhere, also in Ray jobs, and let a
    script that it runs join the Ray head of `make up`.

    A path file does what an editable install does, without a build step that could fail or need the network.
    """
    for packages in VENV.glob("lib/python*/site-packages"):
        _write(packages / "seedcore-serve-checkout.pth", f"{CHECKOUT}\n")
        # First the module that the second path file needs: Python may start at any moment.
        _write(packages / "seedcore_driver_hook.py", DRIVER_HOOK.read_text(encoding="utf-8"))
        call = f"seedcore_driver_hook.install({str(CHECKOUT)!a})"
        _write(packages / "seedcore-serve-driver.pth", f"import seedcore_driver_hook; {call}\n")


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, writable by nobody else: whoever can write it decides what the environment runs."""
    if path.exists() and path.read_text(encoding="utf-8") == text and not path.stat().st_mode & 0o022:
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(path)


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _installed() -> "list[str]":
    """Digests of the locks that the environment satisfies; the development lock contains the other one."""
    return STAMP.read_text().split() if STAMP.exists() else []


def _count_packages(lock: Path) -> int:
    """Packages of the lock, leaving out those of other systems and Pythons as far as their names repeat."""
    lines = lock.read_text().splitlines()
    return len({line.partition("==")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))})


def _progress(text: str, worth_a_line: bool) -> None:
    """Show progress: rewritten in place on a terminal; elsewhere now and then a line."""
    if sys.stdout.isatty():
        sys.stdout.write("\r\033[K" + text)
    elif worth_a_line:
        sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
