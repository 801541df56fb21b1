"""What `make up` started, remembered in ``<home>/up.json`` so that `make down` ends that and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import psutil
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serve_app.deploy.failure import Failure
from serve_app.env import SECRET_FIELDS, Env, get_variable, read_secrets_file
from serve_app.hidden.private_file import write_private_text
from serve_app.strict import StrictModel

# One value for each start of the kernel (proc(5)); Linux alone has it.
_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


# In the home, besides the database (``store.engine``).
PRIVATE_FILES = (
    *("up.json", "up.lock", "ray.env", "ray-start.log", "serve_config.yaml"),
    *("up-secrets.yaml", "deployed.json"),
)


class ProcessMark(StrictModel):
    """One process, told apart from a later one with the same pid by when it started (seconds since the epoch)."""

    pid: int
    started_at_s: float
    name: str


class Boot(StrictModel):
    """One start of the machine. Setting the clock moves ``booted_at_s``, seconds since the epoch, and not ``boot_id``.

    The kernel keeps when a process began since its own start (proc(5), starttime), and seconds since the epoch are that
    plus ``booted_at_s``. ``boot_id`` is empty where the system has none.
    """

    boot_id: str
    booted_at_s: float


class UpState(BaseModel):
    """One start. ``temp_dir`` is set when the Ray head is ours; ``serve_ran_before`` when Serve ran before we came.

    ``boot`` says, in the file, by which clock the processes' starts are told; without it, by the one that is set now.

    Another version may have written it, or may read it later: what is not known is passed over, and nothing that is
    known here may become required.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    started_at: str
    http_port: int
    dashboard_port: int
    ray_port: int
    temp_dir: str | None
    processes: tuple[ProcessMark, ...] = ()
    serve_ran_before: bool = False
    config_sha256: str = ""
    prints: dict[str, str] = Field(default_factory=dict)
    boot: Boot | None = None

    @property
    def head_is_ours(self) -> bool:
        """Whether we started the Ray head, and so may end it."""
        return self.temp_dir is not None


def find_state_file(home: Path) -> Path:
    """Where the state of this home is kept."""
    return home / "up.json"


def find_driver_file(home: Path) -> Path:
    """Where a script of this home finds what it needs to join its Ray head."""
    return home / "ray.env"


def find_secrets_file(home: Path) -> Path:
    """Where the secrets that `make up` was given are, for the replicas of this home."""
    return home / "up-secrets.yaml"


def load(home: Path) -> UpState | None:
    """The remembered start, or None. Raises ``Failure`` when the file is there and cannot be understood.

    The starts of its processes are told by the clock as it is set now.
    """
    path = find_state_file(home)
    try:
        return tell_by_clock(UpState.model_validate_json(path.read_bytes()), read_boot())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise Failure(
            f"{path} cannot be read as what `make up` wrote there: {str(error).splitlines()[0]}.",
            "End what it started by hand (`ps`, `ray stop`), then delete the file.",
        ) from None


def tell_by_clock(state: UpState, boot: Boot) -> UpState:
    """The same start with the times of its processes moved by what the clock was set since it was written."""
    step_s = find_clock_step_s(state.boot, boot)
    marks = (mark.model_copy(update={"started_at_s": mark.started_at_s + step_s}) for mark in state.processes)
    return state.model_copy(update={"processes": tuple(marks), "boot": None})


def read_boot() -> Boot:
    """This start of this machine."""
    try:
        boot_id = _BOOT_ID_FILE.read_text().strip()
    except OSError:
        boot_id = ""
    return Boot(boot_id=boot_id, booted_at_s=psutil.boot_time())


def find_clock_step_s(then: Boot | None, now: Boot) -> float:
    """By how many seconds the clock was set forward since; 0 where it cannot be told, as after a start in between."""
    if then is None or not then.boot_id or then.boot_id != now.boot_id:
        return 0.0
    return now.booted_at_s - then.booted_at_s


def save(home: Path, state: UpState) -> None:
    """Replace the remembered start in one step; readable by this user only."""
    remembered = state.model_copy(update={"boot": read_boot()})
    _write(find_state_file(home), remembered.model_dump_json(indent=2) + "\n")


def save_driver_file(home: Path, text: str) -> None:
    """Write what drivers need; readable by this user only, because it decides where they connect."""
    _write(find_driver_file(home), text)


def save_secrets(home: Path, environ: Mapping[str, str], named_variables: Collection[str] = ()) -> Path | None:
    """Write the secrets of an environment, and of the file that it names, for the replicas of this home; the file.

    ``named_variables``: those that webhooks name (``rendering.list_named_variables``).

    None where there are none. A file that the environment names and that has all of them is taken as it is: who changes
    it changes what is in force. Raises ``SecretFileRefused``.
    """
    named = environ.get(get_variable("secrets_file"))
    kept = read_secrets_file(Path(named)) if named else {}
    given = {field: value for field in SECRET_FIELDS if (value := environ.get(get_variable(field)))}
    given |= {name: value for name in named_variables if (value := environ.get(name))}
    if named and given.items() <= kept.items():
        return Path(named).absolute()
    if not given and not kept:
        return None
    path = find_secrets_file(home)
    write_private_text(path, yaml.safe_dump({**kept, **given}, sort_keys=True))
    return path


def find_database(home: Path, environ: Mapping[str, str]) -> Env:
    """Where the history of this home is: as the environment says, the file of secrets that it names, or the one that
    `make up` kept. Raises ``SecretFileRefused``.
    """
    url = environ.get(get_variable("database_url")) or None
    named, kept = environ.get(get_variable("secrets_file")), find_secrets_file(home)
    for path in (Path(named) if named else None, kept if kept.exists() else None):
        if url is None and path is not None:
            url = read_secrets_file(path).get("database_url")
    return Env(home=home, database_url=url)


def forget(home: Path) -> None:
    """Nothing of ours runs any more."""
    find_state_file(home).unlink(missing_ok=True)
    find_driver_file(home).unlink(missing_ok=True)
    find_secrets_file(home).unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    write_private_text(path, text)
