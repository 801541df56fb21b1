"""What `make up` started, remembered in ``<home>/up.json`` so that `make down` ends that and nothing else."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serve_app.local.failure import Failure
from serve_app.strict import StrictModel


class ProcessMark(StrictModel):
    """One process, told apart from a later one with the same pid by when it started (seconds since the epoch)."""

    pid: int
    started_at_s: float
    name: str


class UpState(BaseModel):
    """One start. ``temp_dir`` is set when the Ray head is ours; ``serve_ran_before`` when Serve ran before we came.

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

    @property
    def head_is_ours(self) -> bool:
        """Whether we started the Ray head, and so may end it."""
        return self.temp_dir is not None


def state_file(home: Path) -> Path:
    """Where the state of this home is kept."""
    return home / "up.json"


def driver_file(home: Path) -> Path:
    """Where a script of this home finds what it needs to join its Ray head."""
    return home / "ray.env"


def load(home: Path) -> UpState | None:
    """The remembered start, or None. Raises ``Failure`` when the file is there and cannot be understood."""
    path = state_file(home)
    try:
        return UpState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise Failure(
            f"{path} cannot be read as what `make up` wrote there: {str(error).splitlines()[0]}.",
            "End what it started by hand (`ps`, `ray stop`), then delete the file.",
        ) from None


def save(home: Path, state: UpState) -> None:
    """Replace the remembered start in one step; readable by this user only."""
    _write(state_file(home), state.model_dump_json(indent=2) + "\n")


def save_driver_file(home: Path, text: str) -> None:
    """Write what drivers need; readable by this user only, because it decides where they connect."""
    _write(driver_file(home), text)


def forget(home: Path) -> None:
    """Nothing of ours runs any more."""
    state_file(home).unlink(missing_ok=True)
    driver_file(home).unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
