"""Ray's own token: where it is found, when it is sent, and what is said when it is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from serve_app.cluster import ray_token
from serve_app.cluster.ray_token import TokenRefused, build_headers, explain_refusal, find_token, provide_token

ON = {"RAY_AUTH_MODE": "token"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".ray").mkdir()
    (tmp_path / "named").write_text("  of-the-named-file\n")
    (tmp_path / "empty").write_text("\n")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "in_home", "expected"),
    [
        ({}, None, None),
        ({}, "of-the-home\n", "of-the-home"),
        ({"RAY_AUTH_TOKEN": " of-the-environment "}, "of-the-home", "of-the-environment"),
        ({"RAY_AUTH_TOKEN": " ", "RAY_AUTH_TOKEN_PATH": "named"}, "of-the-home", "of-the-named-file"),
        ({"RAY_AUTH_TOKEN_PATH": "empty"}, "of-the-home", None),
        ({"RAY_AUTH_TOKEN_PATH": "missing"}, "of-the-home", None),
        ({"RAY_AUTH_TOKEN_PATH": ""}, "of-the-home", "of-the-home"),
        ({}, "of\nthe\nhome", None),
    ],
)
def test_the_places_and_their_order(
    home: Path, given: dict[str, str], in_home: str | None, expected: str | None
) -> None:
    if in_home is not None:
        (home / ".ray/auth_token").write_text(in_home)
    if given.get("RAY_AUTH_TOKEN_PATH"):
        given = {**given, "RAY_AUTH_TOKEN_PATH": str(home / given["RAY_AUTH_TOKEN_PATH"])}
    assert find_token({"HOME": str(home), **given}) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ({}, {}),
        ({"RAY_AUTH_MODE": "disabled"}, {}),
        ({"RAY_AUTH_MODE": "Token"}, {"Authorization": "Bearer t0"}),
    ],
)
def test_it_is_sent_where_the_mode_says_so(mode: dict[str, str], expected: dict[str, str]) -> None:
    assert build_headers({**mode, "RAY_AUTH_TOKEN": "t0"}) == expected


def test_without_a_token_no_header_is_made_up(home: Path) -> None:
    assert build_headers({**ON, "HOME": str(home)}) == {}


def test_a_head_that_needs_one_is_given_one_that_nobody_else_reads(home: Path) -> None:
    environ = {**ON, "HOME": str(home / "new")}
    path = provide_token(environ)
    assert path == home / "new/.ray/auth_token"
    token = find_token(environ)
    assert token is not None
    assert len(token) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert provide_token(environ) is None
    assert find_token(environ) == token


@pytest.mark.parametrize("given", [{}, {"RAY_AUTH_MODE": "disabled"}, {**ON, "RAY_AUTH_TOKEN": "t0"}])
def test_none_is_made_where_none_is_needed(home: Path, given: dict[str, str]) -> None:
    assert provide_token({**given, "HOME": str(home)}) is None
    assert not (home / ".ray/auth_token").exists()


def test_a_named_file_without_a_token_is_refused_as_ray_refuses_it(home: Path) -> None:
    with pytest.raises(TokenRefused, match="RAY_AUTH_TOKEN_PATH names"):
        provide_token({**ON, "HOME": str(home), "RAY_AUTH_TOKEN_PATH": str(home / "empty")})


@pytest.mark.parametrize(
    ("given", "cause", "next_step"),
    [
        (
            {},
            "The Ray at http://h:1 asks for its token, and RAY_AUTH_MODE is not set to token here.",
            "Set RAY_AUTH_MODE=token, and have its token in PLACES.",
        ),
        (
            {"RAY_AUTH_TOKEN": "t0"},
            "The Ray at http://h:1 asks for its token, and RAY_AUTH_MODE is not set to token here.",
            "Set RAY_AUTH_MODE=token; the token is there.",
        ),
        (ON, "The Ray at http://h:1 asks for its token, and there is none here.", "Have its token in PLACES."),
        (
            {**ON, "RAY_AUTH_TOKEN": "t0"},
            "The Ray at http://h:1 refused the token (HTTP 403): it has another one.",
            "Have the token of that Ray, as `ray get-auth-token` prints it there, in PLACES.",
        ),
    ],
)
def test_what_is_missing_is_said(home: Path, given: dict[str, str], cause: str, next_step: str) -> None:
    places = f"RAY_AUTH_TOKEN, the file that RAY_AUTH_TOKEN_PATH names, or {home}/.ray/auth_token"
    refused = explain_refusal("http://h:1", 403, {**given, "HOME": str(home)})
    assert (refused.cause, refused.next_step) == (cause, next_step.replace("PLACES", places))
    assert "t0" not in f"{refused.cause}{refused.next_step}".replace("token", "")


def test_the_names_are_those_of_ray() -> None:
    from ray._private.authentication import authentication_token_setup as ray_own

    assert ray_own.AUTH_MODE_ENV_VAR == ray_token.MODE
    assert ray_own._get_default_token_path() == ray_token.find_default_path({"HOME": str(Path.home())})
