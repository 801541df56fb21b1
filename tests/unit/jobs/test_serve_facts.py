"""The one line of a message of Serve that tells what is wrong."""

from __future__ import annotations

import pytest

from serve_app.jobs.reading.serve_rows import parse_serve
from serve_app.jobs.serve_facts import find_telling

FRAMES = "".join(f'  File "module_{number}.py", line {number}, in call\n    self._work()\n' for number in range(300))
FAILED = (
    "The deployment failed to start 3 times in a row. Error:\n"
    f"\x1b[36mray::ServeReplica\x1b[39m\nTraceback (most recent call last):\n{FRAMES}"
    "ValueError: organ id 'utility_organ_1' is given twice\n"
)


@pytest.mark.parametrize(
    ("message", "telling"),
    [
        ("", ""),
        (" \n ", ""),
        ("A replica died.", "A replica died."),
        ("x" * 700, "x" * 599 + "…"),
        (f"Traceback (most recent call last):\n{FRAMES}ValueError: wrong\n", "ValueError: wrong"),
        (
            "It failed:\nTraceback (most recent call last):\n1 validation error\nperiod_s\n  Input should be a number\n"
            "    For further information visit https://errors.pydantic.dev/2/v/float_parsing",
            "It failed: … Input should be a number",
        ),
    ],
)
def test_the_last_line_tells(message: str, telling: str) -> None:
    assert find_telling(message) == telling


def test_a_long_message_keeps_its_last_line() -> None:
    told = {"status": "DEPLOY_FAILED", "message": FAILED}
    (app,) = parse_serve({"applications": {"seedcore": {**told, "deployments": {"Alerts": told}}}}).applications
    for message in (app.message, app.deployments[0].message):
        assert len(message) <= 4_000
        assert "\x1b" not in message
        assert find_telling(message) == (
            "The deployment failed to start 3 times in a row. Error: … "
            "ValueError: organ id 'utility_organ_1' is given twice"
        )
