"""What is replaced, what stays readable, and that no text breaks or slows the redactor."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.redaction import (
    HEADLESS,
    MAX_CHARS,
    REDACTED,
    hide_everywhere,
    hide_values,
    is_secret_name,
    list_secret_values,
    redact,
    redact_end,
    redact_mapping,
    strip_controls,
)

R = REDACTED


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SEEDCORE_EVENTS_KEY=abcdefgh12345678 x", f"SEEDCORE_EVENTS_KEY={R} x"),
        ("SEEDCORE_OPERATOR_TOKEN=operator-1", f"SEEDCORE_OPERATOR_TOKEN={R}"),
        ("SEEDCORE_DATABASE_URL=postgresql://me:x@db/y", f"SEEDCORE_DATABASE_URL={R}"),
        ("X_EVENTS_EXPORT_ADDR=http://h/events/k z", f"X_EVENTS_EXPORT_ADDR={R} z"),
        ("SEEDCORE_TOKENS_FILE=/run/tokens.yaml", "SEEDCORE_TOKENS_FILE=/run/tokens.yaml"),
        # Names in front of values.
        ("PASSWORD=hunter2 python x.py", f"PASSWORD={R} python x.py"),
        ("DB_PASSWD='a b' run", f"DB_PASSWD='{R}' run"),
        ('TOKEN="a\\"b" run', f'TOKEN="{R}" run'),
        ("export AWS_SECRET_ACCESS_KEY=a/b+c; run", f"export AWS_SECRET_ACCESS_KEY={R}; run"),
        ("run --token abc --name y", f"run --token {R} --name y"),
        ("run --api-key=abc -v", f"run --api-key={R} -v"),
        ("run --password 'a b' -v", f"run --password '{R}' -v"),
        ("run --token --verbose", "run --token --verbose"),
        ('{"api_key": "x y", "user": "z"}', f'{{"api_key": "{R}", "user": "z"}}'),
        ('{"apiKey":"x","user":"z"}', f'{{"apiKey":"{R}","user":"z"}}'),
        ("{'client_secret': 'x', 'n': 1}", f"{{'client_secret': '{R}', 'n': 1}}"),
        ('"{\\"token\\": \\"abc\\", \\"n\\": 1}"', f'"{{\\"token\\": \\"{R}\\", \\"n\\": 1}}"'),
        ("os.environ['API_KEY'] = 'x'", f"os.environ['API_KEY'] = '{R}'"),
        ("connect(password=abc)", f"connect(password={R})"),
        ("password: abc", f"password: {R}"),
        ("env: TOKEN=x other=1", f"env: TOKEN={R} other=1"),
        ("http://h:80/x?access_token=abc&y=1", f"http://h:80/x?access_token={R}&y=1"),
        ("bash -c 'TOKEN=abc run'", f"bash -c 'TOKEN={R} run'"),
        ("PASSWORD=a,b;c", f"PASSWORD={R};c"),
        ("SECRET=ab'c d'ef run", f"SECRET={R} run"),
        ("SECRET='never closed", f"SECRET='{R}'"),
        # Within quotes a value ends with them.
        ('["x", "--password=hunter2", "%s {0}"]', f'["x", "--password={R}", "%s {{0}}"]'),
        ("['x', '--password=hunter2', '%s {0}']", f"['x', '--password={R}', '%s {{0}}']"),
        ('{"args": "run --token=ab", "x": "y z"}', f'{{"args": "run --token={R}", "x": "y z"}}'),
        ('"{\\"a\\": \\"--token=ab\\", \\"b\\": \\"c d\\"}"', f'"{{\\"a\\": \\"--token={R}\\", \\"b\\": \\"c d\\"}}"'),
        ('["--password=", "x y"]', '["--password=", "x y"]'),
        ("{'password': '', 'b': 'c d'}", f"{{'password': '{R}', 'b': 'c d'}}"),
        # Short names, and passwords that clients of databases take.
        ("run --pw abc --pw=abc PW=abc", f"run --pw {R} --pw={R} PW={R}"),
        ("Server=db;Uid=svc;Pwd=abc;", f"Server=db;Uid=svc;Pwd={R};"),
        ("mysql -u root -psecret db", f"mysql -u root -p{R} db"),
        ("run -pa1b2c3d4 x", f"run -p{R} x"),
        ('["run", "-pa1b2c3d4", "user:abc1@db"]', f'["run", "-p{R}", "user:{R}@db"]'),
        ("cache redis:secretpw@cache:6379", f"cache redis:{R}@cache:6379"),
        # Headers.
        ("curl -H 'Authorization: Bearer abc.def' u", f"curl -H 'Authorization: {R}' u"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: {R}"),
        ("Cookie: a=b; c=d", f"Cookie: {R}"),
        ("sent Bearer abc", f"sent Bearer {R}"),
        ("sent token 0123456789abcdef", f"sent token {R}"),
        # Shapes.
        ("postgresql://me:pa/s@db:5432/x", f"postgresql://{R}@db:5432/x"),
        ("redis://:pw@h", f"redis://{R}@h"),
        ("git clone https://ghp_abcdefghijklmnopqrst@github.com/x", f"git clone https://{R}@github.com/x"),
        ("key AKIAABCDEFGHIJKLMNOP end", f"key {R} end"),
        ("gave sk-abcdefghij0123456789", f"gave {R}"),
        ("jwt eyJhbGciOiJI.eyJzdWIi.c2ln x", f"jwt {R} x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\nabc\n-----END RSA PRIVATE KEY-----\nz", f"{R}\nz"),
        ("-----BEGIN PRIVATE KEY-----\nabc", R),
        # What only looks like it.
        ("python -c pass", "python -c pass"),
        ("python train.py --epochs 10 --lr=0.1 DATA=/x", "python train.py --epochs 10 --lr=0.1 DATA=/x"),
        ("PWD=/home/x max_tokens=5 tokenizer=b num_tokens: 3", "PWD=/home/x max_tokens=5 tokenizer=b num_tokens: 3"),
        ("OLDPWD=~/x pwd: /a pwd = os.getcwd()", "OLDPWD=~/x pwd: /a pwd = os.getcwd()"),
        ("gcc -pthread -pipe x.c; cp -pr a b; find . -print", "gcc -pthread -pipe x.c; cp -pr a b; find . -print"),
        ("docker run -p8080:80 -p53:53/udp -p 80:80 x", "docker run -p8080:80 -p53:53/udp -p 80:80 x"),
        ("image:tag1@sha256:ab git@github.com:o/r.git", "image:tag1@sha256:ab git@github.com:o/r.git"),
        ("mailto:bob@x.org", "mailto:bob@x.org"),
        ("sort(key=len) primary_key=id", "sort(key=len) primary_key=id"),
        ("Token authentication is disabled", "Token authentication is disabled"),
        ("http://127.0.0.1:8265/#/jobs", "http://127.0.0.1:8265/#/jobs"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("ValueError: the password is wrong", "ValueError: the password is wrong"),
        # Terminals.
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07x\ty\r\nz\x00\u202e", "red x\ty\nz"),
        ("TO\x00KEN=abc", f"TOKEN={R}"),
        ("TOKEN=\x1b[1mabc", f"TOKEN={R}"),
    ],
)
def test_redact(text: str, wanted: str) -> None:
    assert redact(text) == wanted
    assert redact(wanted) == wanted


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("TOKEN", True),
        ("RAY_AUTH_TOKEN", True),
        ("password", True),
        ("api-key", True),
        ("apikey", True),
        ("aws_access_key_id", True),
        ("credentials", True),
        ("x-api-key", True),
        ("BASIC_AUTH", True),
        ("db.pass", True),
        ("case", False),
        ("max_tokens", False),
        ("PWD", False),
        ("OLDPWD", False),
        ("key", False),
        ("compass", False),
        ("author", False),
        ("token_count", False),
        ("passed", False),
    ],
)
def test_names(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_mappings() -> None:
    assert redact_mapping({"team": "a", "api_key": "b", "run": "x --token c", "Bearer abc": "d"}) == {
        "team": "a",
        "api_key": R,
        "run": f"x --token {R}",
        f"Bearer {R}": "d",
    }


def test_long_texts_are_cut_after_redacting() -> None:
    text = redact("x" * (MAX_CHARS - 8) + " TOKEN=canary")
    assert len(text) == MAX_CHARS
    assert "canary" not in redact("x" * (MAX_CHARS - 3) + "://a:canary@h")


def test_of_a_long_text_the_end_can_be_kept() -> None:
    lines = [f"line {number} TOKEN=canary" for number in range(2_000)]
    text = redact_end("\n".join([*lines, "FATAL: no licence"]))
    shown = text.splitlines()
    assert len(text) <= MAX_CHARS
    assert shown[-2:] == [f"line 1999 TOKEN={R}", "FATAL: no licence"]
    assert "canary" not in text
    assert redact_end("short PASSWORD=x") == f"short PASSWORD={R}"
    # What names a secret may be in the part that is missing.
    assert redact_end("TOKEN=" + "canary" * 10_000) == HEADLESS


HIDDEN = [
    ("X_U", "CANARY-04", ["CANARY-04"]),
    ("X_C", "Server=db;Uid=svc;Pwd=CANARY-05;", ["Server=db;Uid=svc;Pwd=CANARY-05;", "CANARY-05"]),
    ("HOOK", "https://hooks.example/T0/B0", ["https://hooks.example/T0/B0"]),
    ("DB", "postgres://u:pa:ss@h/db", ["postgres://u:pa:ss@h/db", "pa:ss"]),
    ("CONF", '{"password": "pq r1"}', ['{"password": "pq r1"}', "pq r1"]),
    ("DB_PASSWORD", "hunter", ["hunter"]),
    ("DB_PASSWORD", "/a/b", ["/a/b"]),
    ("KEY", "-----BEGIN PRIVATE KEY-----\nQUFBQUFB\n-----END PRIVATE KEY-----", ["QUFBQUFB"]),
    ("PATH", "/usr/bin:/bin", []),
    ("PYTHONPATH", "a1b2c3d4", []),
    ("CHECKPOINT_DIR", "run-2026a", []),
    ("OUT", "s3://bucket/x1", []),
    ("DATA", "/data/set 1", []),
    ("DATA", "~/a:./b:/c", []),
    ("DAY", "2026-01-31", []),
    ("AT", "2026-01-31T12:00:00+01:00", []),
    ("N", "1234567", []),
    ("REGION", "us-east-1", []),
    ("STAGE", "production", []),
    ("MODEL", "bert-base-uncased", []),
    ("A", "true", []),
    ("TOKEN", "true", []),
    ("TOKEN", "abc", []),
    ("X", "a1b2c", []),
    ("X", 12345678, []),
    ("EMPTY", "", []),
]


@pytest.mark.parametrize(("name", "value", "hidden"), HIDDEN)
def test_values_of_an_environment(name: str, value: object, hidden: list[str]) -> None:
    values = list_secret_values({name: value})
    text = f"it said {value} once"
    assert [each for each in hidden if each not in values] == []
    assert (hide_values(text, values) == text) is (not hidden)
    assert [each for each in hidden if each in redact(text, values)] == []


def test_values_are_hidden_as_others_write_them_and_the_longest_first() -> None:
    values = list_secret_values({"A": 'a"b c9', "B": 'a"b c9 and more 1'})
    text = 'a"b c9 \'a"b c9\' a\\"b c9 a%22b%20c9 a%22b+c9 a"b c9 and more 1'
    assert redact(text, values) == f"{R} '{R}' {R} {R} {R} {R}"
    assert list(values) == sorted(values, key=len, reverse=True)
    assert redact_mapping({"note": 'is a"b c9', 'a"b c9': "x", "pwd": "/x", "Pwd": "x"}, values) == {
        "note": f"is {R}",
        R: "x",
        "pwd": "/x",
        "Pwd": R,
    }


def test_a_value_is_hidden_across_control_characters_and_limits() -> None:
    values = list_secret_values({"A": "CANARY-0123456789"})
    assert redact("CANARY-0\x00123456789", values) == R
    assert "CANARY" not in redact("x" * (MAX_CHARS - 5) + "CANARY-0123456789", values)
    assert "CANARY" not in redact_end("CANARY-0123456789\n" + "x" * (MAX_CHARS - 5), values)
    assert list_secret_values({f"V{n}": f"value-{n:04}" for n in range(500)})[200:] == ()


PIECES = st.sampled_from(
    [
        "TOKEN=",
        "--password ",
        "a",
        " ",
        '"',
        "'",
        "\\",
        "://",
        "@",
        ":",
        "=",
        "Bearer ",
        R,
        "]",
        ",",
        "\n",
        "\x1b[",
        "-",
        "authorization:",
        "eyJ",
        "AKIAABCDEFGHIJKLMNOP",
        "{",
        "}",
        " -p",
        "pwd=",
        "b1",
        ";",
    ]
)


@given(st.text(max_size=300) | st.lists(PIECES, max_size=30).map("".join))
def test_redacting_never_raises_and_twice_is_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    assert strip_controls(once) == once
    once.encode()


HOSTILE = [
    "token=",
    'token="\\"',
    "a=b=",
    "-",
    "--token ",
    "x://a:",
    "Bearer ",
    "-----BEGIN PRIVATE KEY-----",
    "\x1b[",
    "\x1b]",
    "eyJ",
    "'",
    "token='",
    "Basic a",
    "://",
    "token='a\n",
    "authorization: ",
    'token=\\"',
    "eyJaaaaaaaa.",
    "a.b-",
    "x://",
    "\x1b[1;",
    "A",
    "password='\\",
    '"token":"',
    "--password='\"",
    "@",
    "sk-",
    'token=a"',
    'token=a", "',
    "token='' ",
    " -p",
    "-pa1",
    "a:abc@",
    "a:",
    "pwd=a",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_is_linear_in_the_text(piece: str) -> None:
    """Four times the text may not take the sixteenfold time of a quadratic pattern; 10x leaves room for noise."""

    def seconds(chars: int) -> float:
        text = (piece * chars)[:chars]
        best = float("inf")
        for _ in range(3):
            # Time of this thread: what else the machine does is no business of the pattern.
            began = time.thread_time()
            redact(text)
            best = min(best, time.thread_time() - began)
        return best

    assert seconds(20_000) < max(10 * seconds(5_000), 0.1)


def test_thousands_of_beginnings_of_urls_cost_no_more_than_other_text() -> None:
    def seconds(text: str) -> float:
        best = float("inf")
        for _ in range(5):
            began = time.thread_time()
            redact(text)
            best = min(best, time.thread_time() - began)
        return best

    beginnings = ("http://}" * 2_000)[:14_990] + " @"
    # One pattern with a bound of 1 024 takes the threefold time.
    assert seconds(beginnings) < 2 * seconds(beginnings.replace("//}", "// "))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("http://a:b@c@d/x", f"http://{R}@d/x"),
        ("http://a:b c@d", "http://a:b c@d"),
        ("http://}http://}http://u:pw@h/ http://v:pw@h", f"http://{R}@h/ http://{R}@h"),
        (f"http://u:{'x' * 1024}@h", f"http://{R}@h"),
        ("'http://u:p'@h http://h:80/x@y", "'http://u:p'@h http://h:80/x@y"),
        ("http://u:@h", "http://u:@h"),
    ],
)
def test_who_stands_in_a_url(text: str, wanted: str) -> None:
    assert redact(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "ExposedWithoutTokens: Serve listens on 0.0.0.0",
        "jwt.exceptions.InvalidTokenError: Signature verification failed",
        "serve_app.api.access.TokensInvalid: SEEDCORE_TOKENS_FILE: the file is not YAML.",
    ],
)
def test_a_class_is_no_secret(text: str) -> None:
    assert redact(text) == text


@dataclass(frozen=True)
class Told:
    id: str
    text: str
    more: tuple[object, ...] = ()


def test_values_are_hidden_everywhere_but_in_ids() -> None:
    values = ("canary-0123456789",)
    given = Told("canary-0123456789", "is canary-0123456789", (Told("i", "x"), 7, None))
    assert hide_everywhere(given, values) == Told("canary-0123456789", f"is {R}", given.more)
    assert hide_everywhere(given, ()) is given
    assert hide_everywhere(given, values).more is given.more
    view = {"name": "canary-0123456789", "job_id": "canary-0123456789", "items": [{"what": "a canary-0123456789"}]}
    assert hide_everywhere(view, values) == {"name": R, "job_id": view["job_id"], "items": [{"what": f"a {R}"}]}


def test_a_line_that_was_cut_in_the_midst_of_a_value_does_not_end_with_its_beginning() -> None:
    values = ("canary-0123456789", "0123-canary")
    assert hide_everywhere(f"{'x' * 190} canary-01", values) == f"{'x' * 190} {R}"
    assert hide_everywhere(f"{'x' * 190} can", values) == f"{'x' * 190} can"
    assert hide_everywhere("it ends in cana", values) == "it ends in cana"
