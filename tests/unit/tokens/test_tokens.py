"""Tokens with names: their form, their file, the command that makes them, and that they are read again."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app.api.access import LiveTokens, Role, TokenOwner, Tokens, TokensInvalid
from serve_app.api.routes.answers import answer_json, answer_text
from serve_app.env import Env
from serve_app.hidden.held import hide_held, hold, release
from serve_app.hidden.token_form import create_token, is_own_form
from serve_app.redaction import redact
from serve_app.tokens.__main__ import main
from serve_app.tokens.entries import compute_digest
from serve_app.tokens.environment import find_password, hold_environment, list_exposures
from tests.unit.fakes import served

CLEAR = "a-token-of-old-times-0123"


def load(path: Path) -> Tokens:
    return Tokens.load(Env(home=path.parent, tokens_file=path))


def test_the_own_form_is_known_at_sight() -> None:
    token = create_token()
    assert len(token) == 42
    assert is_own_form(token)
    assert not is_own_form(token[:-1] + ("a" if token[-1] != "a" else "b"))
    assert not is_own_form(token[:-1])
    assert create_token() != token
    for text in (token, f"Bearer:{token}", f"x={token}&y", f'["{token}"]', f"http://h/{token}/x"):
        assert token[8:] not in redact(text)
    assert redact(f"she said {token}.") == "she said [redacted]."


def test_a_token_is_made_printed_once_and_kept_as_a_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tokens.yaml"
    assert main(["--file", str(path), "new", "alice", "operator"]) == 0
    token = capsys.readouterr().out.strip()
    assert is_own_form(token)
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(path.read_text()) == {
        "alice": {"role": "operator", "token": f"sha256:{compute_digest(token).hex()}"}
    }
    assert load(path).find_caller(token) == TokenOwner("alice", Role.OPERATOR)
    assert main(["--file", str(path), "new", "bob", "reader"]) == 0
    other = capsys.readouterr().out.strip()
    assert load(path).find_caller(other) == TokenOwner("bob", Role.READER)
    assert main(["--file", str(path), "list"]) == 0
    assert capsys.readouterr().out == "alice  operator  hash\nbob  reader  hash\n"
    assert main(["--file", str(path), "revoke", "alice"]) == 0
    assert load(path).find_caller(token) is None
    assert load(path).find_caller(other) == TokenOwner("bob", Role.READER)


def test_who_revokes_the_last_token_of_a_file_is_told_what_a_running_application_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokens.yaml"
    for name in ("alice", "bob"):
        assert main(["--file", str(path), "new", name, "operator"]) == 0
    assert main(["--file", str(path), "revoke", "alice"]) == 0
    assert capsys.readouterr().err.endswith("alice is revoked; a running application knows within seconds.\n")
    assert main(["--file", str(path), "revoke", "bob"]) == 0
    assert "an application that has no other token keeps it until it has one" in capsys.readouterr().err


def test_a_file_of_another_user_stays_the_file_of_that_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, given = tmp_path / "tokens.yaml", list[tuple[int, int]]()
    path.write_text("{}")
    monkeypatch.setattr(os, "fchown", lambda _, user, group: given.append((user, group)))
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert main(["--file", str(path), "new", "alice", "operator"]) == 0
    assert given == [(path.stat().st_uid, path.stat().st_gid)]
    # As nobody but root may do it, who may not leaves the file as it was.
    before = path.read_text()
    monkeypatch.setattr(os, "fchown", refuse_owner)
    assert main(["--file", str(path), "new", "bob", "operator"]) == 1
    assert path.read_text() == before


def refuse_owner(*_: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_what_the_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tokens.yaml"
    assert main(["new", "alice", "reader"]) == 1
    assert main(["--file", str(path), "new", "a b", "reader"]) == 1
    assert main(["--file", str(path), "new", "alice", "reader"]) == 0
    assert main(["--file", str(path), "new", "alice", "operator"]) == 1
    assert main(["--file", str(path), "revoke", "bob"]) == 1
    assert main(["--file", str(tmp_path / "no" / "x.yaml"), "new", "alice", "reader"]) == 1
    told = capsys.readouterr().err
    assert "Set SEEDCORE_TOKENS_FILE" in told
    assert "alice is in" in told
    path.write_text("admin: [x]")
    assert main(["--file", str(path), "new", "carol", "reader"]) == 1
    assert path.read_text() == "admin: [x]"


def test_both_forms_stand_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    token = create_token()
    path.write_text(
        f"reader: [{CLEAR}]\nalice: {{role: executor, token: {token}}}\n"
        f"bob: {{role: operator, token: 'sha256:{compute_digest('x' * 20).hex()}'}}\n"
    )
    tokens = load(path)
    assert [tokens.find_caller(each) for each in (CLEAR, token, "x" * 20, "y" * 20)] == [
        TokenOwner("reader", Role.READER),
        TokenOwner("alice", Role.EXECUTOR),
        TokenOwner("bob", Role.OPERATOR),
        None,
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("alice: {role: king, token: abcdefghijklmnop}", "alice has a role that is none of reader, executor"),
        ("alice: {role: reader}", "alice is not of the form {role: …, token: …}."),
        ("alice: {role: reader, token: 5}", "alice is not of the form {role: …, token: …}."),
        ("a b: {role: reader, token: abcdefghijklmnop}", "a name is not of letters, digits"),
        ("alice: {role: reader, token: short}", "a token has fewer than 16 characters."),
        ("alice: {role: reader, token: 'sha256:12'}", "the hash of alice is not sha256: and 64 hexadecimal digits."),
        (
            "a: {role: reader, token: abcdefghijklmnop}\nb: {role: reader, token: abcdefghijklmnop}",
            "the same token has two names.",
        ),
        (
            "a: {role: reader, token: abcdefghijklmnop}\nb: {role: operator, token: abcdefghijklmnop}",
            "the same token is given to two roles.",
        ),
        ("[" * 5_000, "the file is not YAML."),
    ],
)
def test_a_file_that_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(text)
    with pytest.raises(TokensInvalid) as refused:
        load(path)
    assert sentence in str(refused.value)
    assert "abcdefghijklmnop" not in str(refused.value)


@pytest.mark.parametrize(
    ("mode", "is_taken"), [(0o600, True), (0o644, True), (0o640, True), (0o622, False), (0o666, False)]
)
def test_a_file_that_others_may_write_gives_nobody_a_role(mode: int, is_taken: bool, tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(f"operator: [{CLEAR}]")
    path.chmod(mode)
    if is_taken:
        assert load(path).find_role(CLEAR) is Role.OPERATOR
        return
    with pytest.raises(TokensInvalid, match="others may write"):
        load(path)


def test_a_changed_file_is_read_again_and_not_too_often(tmp_path: Path) -> None:
    path, now, reads = tmp_path / "tokens.yaml", [0.0], [0]
    path.write_text(f"reader: [{CLEAR}]\n")

    def read() -> Tokens:
        reads[0] += 1
        return load(path)

    live = LiveTokens(read, [path], clock=lambda: now[0], period_s=2.0)
    assert live.current.find_role(CLEAR) is Role.READER
    path.write_text(f"operator: [{CLEAR}]\nreader: [another-token-01234567]\n")
    now[0] = 1.9
    assert live.current.find_role(CLEAR) is Role.READER
    now[0] = 2.0
    assert live.current.find_role(CLEAR) is Role.OPERATOR
    for now[0] in (10.0, 20.0, 30.0):
        assert live.current.find_role(CLEAR) is Role.OPERATOR
    assert reads == [2]
    # What cannot be read, or would open the API to who has none, changes nothing.
    for broken in ("reader: x", "{}", "", "[" * 5_000):
        path.write_text(broken)
        now[0] += 5.0
        assert live.current.find_role(CLEAR) is Role.OPERATOR
    path.unlink()
    now[0] += 5.0
    assert live.current.find_role(CLEAR) is Role.OPERATOR
    path.write_text("reader: [another-token-01234567]")
    now[0] += 5.0
    assert live.current.find_role(CLEAR) is None


def test_a_file_that_was_refused_for_its_mode_is_read_when_that_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, now = tmp_path / "secrets.yaml", [0.0]
    path.write_text(f"operator_token: {CLEAR}\n")
    path.chmod(0o600)
    environ = {"SEEDCORE_HOME": str(tmp_path), "SEEDCORE_SECRETS_FILE": str(path)}
    live = LiveTokens(lambda: Tokens.load(Env.read(environ)), [path], clock=lambda: now[0], period_s=2.0)
    # Another one, by an editor that made it for all to read; the advice is `chmod 600`.
    path.write_text("operator_token: another-token-01234567\n")
    path.chmod(0o644)
    for now[0] in (5.0, 10.0, 15.0):
        assert live.current.find_role(CLEAR) is Role.OPERATOR
    assert len([each for each in caplog.records if "tokens stay as they were" in each.message]) == 1
    path.chmod(0o600)
    now[0] = 20.0
    assert live.current.find_role(CLEAR) is None
    assert live.current.find_role("another-token-01234567") is Role.OPERATOR


def test_what_could_not_be_read_for_a_moment_is_read_again(tmp_path: Path) -> None:
    path, now, fails = tmp_path / "tokens.yaml", [0.0], [False]
    path.write_text(f"reader: [{CLEAR}]\n")

    def read() -> Tokens:
        if fails[0]:
            raise TokensInvalid("SEEDCORE_TOKENS_FILE: the file cannot be read.")  # as with no descriptor left
        return load(path)

    live = LiveTokens(read, [path], clock=lambda: now[0], period_s=2.0)
    path.write_text("reader: [another-token-01234567]\n")
    now[0], fails[0] = 5.0, True
    assert live.current.find_role(CLEAR) is Role.READER
    now[0], fails[0] = 40.0, False
    assert live.current.find_role(CLEAR) is None


def test_what_a_process_was_given_is_hidden(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text("alice: {role: reader, token: in-the-file-in-clear-1}")
    environ = {
        "SEEDCORE_HOME": str(tmp_path),
        "SEEDCORE_TOKENS_FILE": str(file),
        "SEEDCORE_OPERATOR_TOKEN": "operator-token-012345",
        "SEEDCORE_EVENTS_KEY": "key-of-the-events-1",
        "SEEDCORE_DATABASE_URL": "postgresql://me:p%40ss-w0rd@db/x",
        "SEEDCORE_LLM_API_KEY": "key-of-the-model",
        "RAY_AUTH_TOKEN": "token-of-ray-itself",
        "PAGER_TOKEN": "of-the-webhook-1",
        "NOTE": "not-a-secret-at-all",
        "SERVICE_CREDENTIALS": str(file),
    }
    hold_environment(Env.read(environ), environ)
    held = [
        "in-the-file-in-clear-1", "operator-token-012345", "key-of-the-events-1", "p@ss-w0rd", "p%40ss-w0rd",
        "key-of-the-model", "token-of-ray-itself", "of-the-webhook-1",
    ]  # fmt: skip
    assert [each for each in held if each in hide_held(f"a {each} b")] == []
    assert hide_held("not-a-secret-at-all") == "not-a-secret-at-all"
    assert hide_held(str(file)) == str(file)
    release()
    home = tmp_path / ".ray"
    home.mkdir()
    (home / "auth_token").write_text("token-in-the-home-of-ray\n")
    hold_environment(Env(home=tmp_path), {"HOME": str(tmp_path)})
    assert hide_held("x token-in-the-home-of-ray") == "x [redacted]"
    release()


@pytest.mark.parametrize(
    ("variables", "mode", "wanted"),
    [
        ({}, 0o600, []),
        ({"SEEDCORE_OPERATOR_TOKEN": CLEAR}, 0o600, ["SEEDCORE_OPERATOR_TOKEN stands in the environment"]),
        ({"SEEDCORE_DATABASE_URL": "postgresql://db/x"}, 0o600, []),
        ({"SEEDCORE_DATABASE_URL": "postgresql://me:word@db/x"}, 0o600, ["SEEDCORE_DATABASE_URL stands"]),
        ({}, 0o640, ["The file of SEEDCORE_TOKENS_FILE may be read by others than its owner (mode 0640)."]),
    ],
)
def test_what_jobs_can_read_is_told(variables: dict[str, str], mode: int, wanted: list[str], tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text("{}")
    file.chmod(mode)
    told = list_exposures(Env(home=tmp_path, tokens_file=file), variables)
    assert len(told) == len(wanted)
    assert all(sentence.startswith(begin) for sentence, begin in zip(told, wanted, strict=True))
    assert CLEAR not in str(told)


@pytest.mark.parametrize(
    ("url", "password"),
    [("postgresql://me:p%40s@db/x", "p@s"), ("sqlite:////x", None), ("http://[", None), ("postgresql://me@db", None)],
)
def test_the_password_of_a_database(url: str, password: Any) -> None:
    assert find_password(url) == password


async def test_what_is_held_is_in_no_answer_and_what_jobs_inherit_is_in_the_report() -> None:
    hold([CLEAR])
    found = served()
    found.api.state.deps.exposures = ("SEEDCORE_OPERATOR_TOKEN stands in the environment of the Ray nodes.",)
    row = {"actor_id": "a", "name": f"named {CLEAR}", "namespace": CLEAR}
    assert CLEAR not in answer_json({"items": [row]}).body.decode()
    assert CLEAR not in answer_text(f"<b>{CLEAR}</b>", "html").body.decode()
    async with found.client() as client:
        told = (await client.get("/report")).json()["findings"]
        text = (await client.get("/report?format=text")).text
    (finding,) = [each for each in told if each["subject"] == "secrets"]
    assert (finding["verdict"], finding["sentence"]) == (
        "WARN",
        "SEEDCORE_OPERATOR_TOKEN stands in the environment of the Ray nodes.",
    )
    assert "SEEDCORE_OPERATOR_TOKEN stands" in text
