"""``python -m serve_app.deploy CONFIG``: deploy into a cluster that exists, beside what others have there.

It shows what would be added, changed and deleted, and asks, or takes ``--yes``. ``--previous`` goes back to what was in
force before the last deployment from this home. Exit codes: 0 it runs, 1 it does not, or nobody agreed, 2 called
wrongly.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from serve_app.cluster import ray_http
from serve_app.cluster.ray_token import TokenRefused
from serve_app.deploy.deployment import Deployment, Order
from serve_app.deploy.failure import Failure, adopt
from serve_app.deploy.home_lock import lock_home
from serve_app.env import Env, get_variable

DEFAULT_DASHBOARD = "http://127.0.0.1:8265"
# Nothing else of the environment is this command's business, secrets least.
_OF_HOME = (get_variable("home"), "XDG_STATE_HOME")


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, or go back; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serve_app.deploy", description=__doc__)
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="the configuration (serve_config.yaml)")
    parser.add_argument("-a", "--address", help="Ray's dashboard; else by the environment, else " + DEFAULT_DASHBOARD)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--exact", action="store_true", help="delete declared applications that the file has not")
    parser.add_argument("--previous", action="store_true", help="go back to what was in force before")
    parser.add_argument("--timeout-s", type=float, default=180.0, help="how long to wait for the outcome (1 to 3600)")
    given = parser.parse_args(argv)
    if (given.config is None) != given.previous or (given.previous and given.exact):
        parser.error("give a CONFIG (with --exact: for everything), or --previous")
    if not 1 <= given.timeout_s <= 3600:
        parser.error("--timeout-s is from 1 to 3600")
    url = given.address or ray_http.find_named_dashboard(os.environ) or DEFAULT_DASHBOARD
    url = url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        parser.error(f"{url} does not begin with http:// or https://")
    order = Order(url, given.config, given.exact, given.timeout_s)
    try:
        home = Env.read({name: os.environ[name] for name in _OF_HOME if name in os.environ}).home
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock_home(home):
            return _deploy(Deployment(order, home, os.environ), agreed=given.yes)
    except (Failure, TokenRefused) as failure:
        print(f"\n{adopt(failure).render()}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(
            f"\n{Failure(f'It could not be done: {error}.', 'Mend that and run it again.').render()}", file=sys.stderr
        )
    except KeyboardInterrupt:
        print("\ninterrupted; run it again to see what is in force", file=sys.stderr)
        return 130
    return 1


def _deploy(deployment: Deployment, *, agreed: bool) -> int:
    changes = deployment.prepare()
    print("\n".join([f"{deployment.order.dashboard_url}:", *changes.render(), *deployment.list_notes()]))
    if not changes.any:
        print("Nothing to change.")
        print(deployment.follow(lambda text: print(f"  … {text}")))
        return 0
    if not agreed and not _agree():
        print("Nothing was changed.", file=sys.stderr)
        return 1
    deployment.send(lambda text: print(f"  … {text}"))
    print(deployment.follow(lambda text: print(f"  … {text}")))
    return 0


def _agree() -> bool:
    if not sys.stdin.isatty():
        raise Failure("There is no terminal to ask on, so nothing was changed.", "Read the list above, then add --yes.")
    try:
        return input("Do this? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


if __name__ == "__main__":
    raise SystemExit(main())
