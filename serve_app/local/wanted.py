"""What `make up` is asked to do, read from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serve_app.deploy.failure import Failure

CHECKOUT = Path(__file__).resolve().parents[2]
FLAGS_FILE = CHECKOUT / "deploy" / "serve.env"


@dataclass(frozen=True)
class Wanted:
    """Ports and places of one local copy."""

    http_port: int
    dashboard_port: int
    ray_port: int
    home: Path
    config: Path
    up_timeout_s: float

    @property
    def ports(self) -> dict[str, int]:
        """The three configured ports by the variable that sets each."""
        return {
            "SEEDCORE_HTTP_PORT": self.http_port,
            "SEEDCORE_DASHBOARD_PORT": self.dashboard_port,
            "SEEDCORE_RAY_PORT": self.ray_port,
        }

    @property
    def dashboard_url(self) -> str:
        """Where the Ray dashboard is, or shall be."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    @classmethod
    def read(cls, environ: Mapping[str, str], checkout: Path = CHECKOUT) -> Wanted:
        """Read ``SEEDCORE_*``; raises ``Failure`` naming the variable that cannot be used."""
        wanted = cls(
            http_port=_parse_port(environ, "SEEDCORE_HTTP_PORT", 8000),
            dashboard_port=_parse_port(environ, "SEEDCORE_DASHBOARD_PORT", 8265),
            ray_port=_parse_port(environ, "SEEDCORE_RAY_PORT", 6379),
            home=_parse_path(environ, "SEEDCORE_HOME", checkout, ".seedcore"),
            config=_parse_path(environ, "SEEDCORE_CONFIG", checkout, "serve_config.yaml"),
            up_timeout_s=_parse_seconds(environ, "SEEDCORE_UP_TIMEOUT_S", 180.0),
        )
        if len(set(wanted.ports.values())) < len(wanted.ports):
            given = ", ".join(f"{name}={port}" for name, port in wanted.ports.items())
            raise Failure(f"Two services cannot share one port: {given}.", "Give each variable its own port.")
        return wanted


def _parse_port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if text.isascii() and text.isdigit() and 1024 <= int(text) <= 65535:
        return int(text)
    raise Failure(
        f"{name} is {text!r}, which is not a port from 1024 to 65535.", f"Set {name}, or unset it for {default}."
    )


def _parse_seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 1 <= seconds <= 3600:
        return seconds
    raise Failure(f"{name} is {text!r}, which is not a number of seconds from 1 to 3600.", f"Set {name}, or unset it.")


def _parse_path(environ: Mapping[str, str], name: str, checkout: Path, default: str) -> Path:
    return (checkout / Path(environ.get(name) or default).expanduser()).resolve()
