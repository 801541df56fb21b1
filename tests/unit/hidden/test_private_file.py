"""Files with secrets: what is refused, what is written, and what of them the environment takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve_app.env import Env, read_secrets_file
from serve_app.hidden.private_file import (
    SecretFileRefused,
    find_wide_mode,
    narrow_mode,
    write_private_text,
)

TOKEN = "operator-token-012345"


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        ("operator_token: x", 0o644, "others may use"),
        ("operator_token: x", 0o602, "others may use"),
        ("operator_token: x", 0o620, "others may use"),
        ("- x", 0o600, "expected a mapping of database_url, "),
        ("colour: red", 0o600, "expected a mapping of"),
        ("operator_token: 5", 0o600, "is not a text"),
        ("[" * 5_000, 0o600, "is not YAML"),
        ("x" * 131_073, 0o600, "has more than"),
        (b"\xff", 0o600, "is not UTF-8"),
    ],
)
def test_a_file_that_is_refused(text: str | bytes, mode: int, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    with pytest.raises(SecretFileRefused, match=sentence):
        read_secrets_file(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(SecretFileRefused):
            read_secrets_file(path)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    write_private_text(path, f"operator_token: {TOKEN}\nreader_token: of-the-file-0123456\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["secrets.yaml"]
    read = Env.read(
        {
            "SEEDCORE_HOME": str(tmp_path),
            "SEEDCORE_SECRETS_FILE": str(path),
            "SEEDCORE_READER_TOKEN": "of-the-environment-01",
        }
    )
    assert (read.operator_token, read.reader_token, read.executor_token) == (TOKEN, "of-the-environment-01", None)
    assert TOKEN not in repr(read)


def test_no_message_on_the_environment_quotes_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="events_key") as refused:
        Env.read({"SEEDCORE_HOME": str(tmp_path), "SEEDCORE_EVENTS_KEY": "a secret with spaces"})
    assert "a secret with spaces" not in str(refused.value)


def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    path.chmod(0o644)
    assert find_wide_mode(path) == "0644"
    narrow_mode(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert find_wide_mode(path) is None
    assert find_wide_mode(tmp_path / "absent") is None
    narrow_mode(tmp_path / "absent")


@pytest.mark.parametrize("name", ["SEEDCORE_OPERATOR_TOKEN", "SEEDCORE_DATABASE_URL", "SEEDCORE_TOKENS_FILE"])
def test_a_setting_under_the_name_of_its_variable_is_not_passed_over(name: str, tmp_path: Path) -> None:
    """It would be taken for what a webhook names, and be in force nowhere."""
    path = tmp_path / "secrets.yaml"
    write_private_text(path, f"{name}: {TOKEN}\nPAGER_TOKEN: of-the-pager-012345\n")
    with pytest.raises(SecretFileRefused, match="in small letters, without SEEDCORE_") as refused:
        read_secrets_file(path)
    assert TOKEN not in str(refused.value)
