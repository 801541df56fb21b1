"""The checker of configurations: each mistake, with its line, key, what was got and what was expected."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from organs.live.mistakes import format_path
from organs.version import read_own_version
from serve_app.check import imports
from serve_app.check.__main__ import NOTE, USAGE, main
from serve_app.check.configuration import (
    MAX_BYTES,
    ConfigProblem,
    check_config,
    list_notes,
    list_restarts,
    read_config,
)

SHIPPED = Path(__file__).resolve().parents[3] / "serve_config.yaml"
HEAD = """\
http_options: {host: 127.0.0.1}
applications:
  - name: seedcore
    import_path: serve_app.main:build
"""
ARGS = """\
    args:
      organs:
        - {id: cognitive_organ_1, type: Cognitive}
"""
DEPLOYMENTS = HEAD + ARGS + "    deployments:\n"
GOOD = DEPLOYMENTS + "      - {name: cognitive_organ_1, autoscaling_config: {min_replicas: 1, max_replicas: 1}}\n"
APP = "applications[0]"
FIRST = f"{APP}.deployments[0]"
LISTED = "Ingress, OrganismManager, JobInspector, Alerts, Store, cognitive_organ_1"


def lines_of(text: str, **env: str) -> list[str]:
    return [problem.render() for problem in check_config(text, "c.yaml", env, find_failure=lambda _: None)]


def test_shipped_configuration_is_fine() -> None:
    assert lines_of(SHIPPED.read_text()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", ["c.yaml:1: got nothing; expected a mapping with `applications`"], id="empty"),
        pytest.param("- 1", ["c.yaml:1: got [1]; expected a mapping with `applications`"], id="a list"),
        pytest.param(
            "a: [", ["c.yaml:1: got expected the node content, but found '<stream end>'; expected YAML"], id="torn"
        ),
        pytest.param(
            "a: 1\n---\nb: 2", ["c.yaml:2: got but found another document; expected YAML"], id="two documents"
        ),
        pytest.param("a: 1\nb:\n? [1]\n: 2", ["c.yaml:3: got found unhashable key; expected YAML"], id="a list as key"),
        pytest.param(
            "a: 1\nb: \0", ["c.yaml:2: got the character U+0000, which YAML does not allow; expected YAML"], id="NUL"
        ),
        pytest.param(
            "a: 1\nb: " + "[" * 20_000,
            ["c.yaml:2: got lists or mappings that nest too deeply; expected YAML"],
            id="brackets",
        ),
        pytest.param(
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghij")
            ),
            ["c.yaml:5: got more than 100000 values, with what aliases stand for; expected YAML"],
            id="aliases of aliases",
        ),
        pytest.param("a: !!bool abc", ["c.yaml:1: got 'abc'; expected YAML"], id="a tag of another kind"),
        pytest.param(
            f"a: 1\n#{'x' * 1_048_576}\n",
            ["c.yaml:2: got more than 1048576 bytes; expected a file that people write"],
            id="a long comment",
        ),
        pytest.param(
            "{http_options: {host: 127.0.0.1}, applications: [5, {deployments: [~]}]}",
            [
                "c.yaml:1: applications[0]: got 5; expected a mapping with `name` and `import_path`",
                "c.yaml:1: applications[1].deployments[0]: got None; expected a mapping with `name`",
            ],
            id="items that are no mappings",
        ),
        pytest.param(
            "a: !!python/name:os.system",
            [
                "c.yaml:1: got could not determine a constructor for the tag "
                "'tag:yaml.org,2002:python/name:os.system'; expected YAML"
            ],
            id="a tag that would run code",
        ),
        pytest.param(
            HEAD + ARGS + "    name: again\n",
            [f"c.yaml:8: {APP}.name: got a key for the second time; expected it once; it is on line 3"],
            id="a key twice",
        ),
        pytest.param(
            "http_options: {host: 127.0.0.1}\n",
            ["c.yaml:1: applications: got nothing; expected this key"],
            id="no applications",
        ),
    ],
)
def test_documents(text: str, expected: list[str]) -> None:
    assert lines_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "proxy_locaton: HeadOnly\n" + HEAD + ARGS,
            [
                "c.yaml:1: proxy_locaton: got an unknown key; expected one of proxy_location, http_options, "
                "grpc_options, controller_options, logging_config, tracing_config, applications, target_capacity "
                "(nearest: proxy_location)"
            ],
            id="unknown key at the top",
        ),
        pytest.param(
            HEAD.replace("127.0.0.1}", "127.0.0.1, prt: 1}") + ARGS,
            [
                "c.yaml:1: http_options.prt: got an unknown key; expected one of host, port, root_path, "
                "request_timeout_s, keep_alive_timeout_s, ssl_keyfile, ssl_certfile, ssl_keyfile_password, "
                "ssl_ca_certs (nearest: port)"
            ],
            id="unknown HTTP option",
        ),
        pytest.param(
            HEAD.replace("127.0.0.1}", "127.0.0.1, port: http}") + ARGS,
            ["c.yaml:1: http_options.port: got 'http'; expected a valid integer, unable to parse string as an integer"],
            id="a value of the wrong type",
        ),
        pytest.param(
            "tracing_config:\n  sampling_ratio: 2\n" + HEAD + ARGS,
            [
                "c.yaml:2: tracing_config.sampling_ratio: got 2; "
                "expected another value: sampling_ratio must be between 0.0 and 1.0, got 2.0."
            ],
            id="a value that Ray refuses",
        ),
        pytest.param(
            DEPLOYMENTS + "      - name: cognitive_organ_1\n        num_replica: 2\n",
            [f"c.yaml:10: {FIRST}.num_replica: got an unknown key; expected a known one (nearest: num_replicas)"],
            id="unknown deployment option",
        ),
        pytest.param(
            DEPLOYMENTS + "      - name: cognitive_organ_1\n        ray_actor_options: {num_cpu: 1}\n",
            [
                f"c.yaml:10: {FIRST}.ray_actor_options.num_cpu: got an unknown key; expected one of runtime_env, "
                "num_cpus, num_gpus, memory, resources, accelerator_type, label_selector, fallback_strategy "
                "(nearest: num_cpus)"
            ],
            id="unknown actor option",
        ),
    ],
)
def test_what_ray_would_ignore(text: str, expected: list[str]) -> None:
    assert lines_of(text) == expected


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        pytest.param(
            "    args:\n      organs:\n        - {id: a, type: Utilty}\n",
            [
                f"c.yaml:7: {APP}.args.organs[0].type: got 'Utilty'; expected one of Cognitive, Actuator, Utility "
                "(nearest: Utility)"
            ],
            id="unknown organ type",
        ),
        pytest.param(
            "    args:\n      organs:\n        - id: a\n          typ: Utility\n",
            [
                f"c.yaml:7: {APP}.args.organs[0].type: got nothing; expected this key",
                f"c.yaml:8: {APP}.args.organs[0].typ: got an unknown key; expected one of id, type, description "
                "(nearest: type)",
            ],
            id="unknown organ key",
        ),
        pytest.param(
            "    args: {organs: []}\n",
            [
                f"c.yaml:5: {APP}.args.organs: got []; "
                "expected Tuple should have at least 1 item after validation, not 0"
            ],
            id="no organ",
        ),
        pytest.param(
            "    args: {organs: [{id: a, type: Utility}, {id: a, type: Utility}]}\n",
            [
                f"c.yaml:5: {APP}.args: got {{'organs': [{{'id': 'a', 'type': 'Utility'}}, {{'id': 'a', 'ty…; expected "
                "another value: organ id 'a' is given twice; ids name deployments and must be unique"
            ],
            id="an id twice",
        ),
        pytest.param(
            "    args: {organs: [{id: Big, type: Utility}]}\n",
            [
                f"c.yaml:5: {APP}.args.organs[0].id: got 'Big'; expected String should match pattern "
                "'^[a-z][a-z0-9_]{0,62}$'"
            ],
            id="an id that cannot name a deployment",
        ),
        pytest.param("", [f"c.yaml:3: {APP}.args.organs: got nothing; expected this key"], id="no args"),
        pytest.param(
            "    args: 3\n", [f"c.yaml:5: {APP}.args: got 3; expected a valid dictionary"], id="args of a wrong type"
        ),
    ],
)
def test_args(args: str, expected: list[str]) -> None:
    assert lines_of(HEAD + args) == expected


@pytest.mark.parametrize(
    ("deployments", "expected"),
    [
        pytest.param(
            "      - name: cognitive_organ\n",
            [f"c.yaml:9: {FIRST}.name: got 'cognitive_organ'; expected one of {LISTED} (nearest: cognitive_organ_1)"],
            id="a deployment that does not exist",
        ),
        pytest.param(
            "      - name: Store\n      - name: Store\n",
            [
                f"c.yaml:10: {APP}.deployments[1].name: got 'Store'; "
                "expected each deployment once; Serve would use the last"
            ],
            id="a deployment twice",
        ),
        pytest.param(
            "      - name: JobInspector\n        num_replicas: 2\n",
            [f"c.yaml:10: {FIRST}.num_replicas: got 2; expected 1; there is one JobInspector, always"],
            id="two inspectors",
        ),
        pytest.param(
            "      - name: Store\n        num_replicas: auto\n",
            [f"c.yaml:10: {FIRST}.num_replicas: got 'auto'; expected 1; there is one Store, always"],
            id="stores without number",
        ),
        pytest.param(
            "      - name: OrganismManager\n        autoscaling_config: {min_replicas: 1}\n",
            [
                f"c.yaml:10: {FIRST}.autoscaling_config: got autoscaling; "
                "expected none; there is one OrganismManager, always"
            ],
            id="managers without number",
        ),
        pytest.param("      - name: Store\n        num_replicas: 1\n", [], id="one store is fine"),
        pytest.param(
            "      - name: Store\n        user_config: {a: 1}\n",
            [f"c.yaml:10: {FIRST}.user_config.a: got an unknown key; expected none; there are no settings here"],
            id="settings of a deployment that has none",
        ),
        pytest.param(
            "      - name: Alerts\n        user_config:\n          # cpu_ratio: 0.9\n",
            [f"c.yaml:10: {FIRST}.user_config: got nothing; expected a mapping of settings; {{}} for the defaults"],
            id="settings that are all comments",
        ),
        pytest.param("      - name: Alerts\n        user_config: {}\n", [], id="the defaults"),
        pytest.param(
            "      - name: Ingress\n        user_config: {task_timeout: 3}\n",
            [
                f"c.yaml:10: {FIRST}.user_config.task_timeout: got an unknown key; expected one of task_timeout_s, "
                "call_timeout_s, streams_per_token, body_bytes_per_token, requests_per_s, request_burst "
                "(nearest: task_timeout_s)"
            ],
            id="unknown setting",
        ),
        pytest.param(
            "      - name: cognitive_organ_1\n        user_config:\n          smoothing: 2\n",
            [f"c.yaml:11: {FIRST}.user_config.smoothing: got 2; expected less than or equal to 1"],
            id="a setting out of range",
        ),
        pytest.param(
            "      - name: cognitive_organ_1\n        num_replicas: 4\n        user_config: {smoothing: 0.5}\n",
            [],
            id="an organ as it should be",
        ),
    ],
)
def test_deployments(deployments: str, expected: list[str]) -> None:
    assert lines_of(DEPLOYMENTS + deployments) == expected


ORGAN = DEPLOYMENTS + "      - name: cognitive_organ_1\n        user_config:\n"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(
            "          skills:\n            - no_such_package.skills:Mine\n",
            [
                f"c.yaml:12: {FIRST}.user_config.skills[0]: got 'no_such_package.skills:Mine'; expected a "
                "skill of this organ: skills: 'no_such_package.skills:Mine' cannot be imported "
                "(No module named 'no_such_package')"
            ],
            id="a skill that is not there",
        ),
        pytest.param(
            "          default_skill: task.plam\n",
            [
                f"c.yaml:11: {FIRST}.user_config.default_skill: got 'task.plam'; expected another "
                "value: default_skill: 'task.plam' is not a skill of this organ; it has job.diagnose, "
                "job.explain, task.plan"
            ],
            id="a default skill that the organ does not have",
        ),
        pytest.param("          default_skill: job.explain\n", [], id="a default skill that it has"),
    ],
)
def test_skills(config: str, expected: list[str]) -> None:
    assert lines_of(ORGAN + config) == expected


@pytest.mark.parametrize(
    ("options", "env", "key"),
    [
        pytest.param("http_options: {host: 127.0.0.1}", {}, None, id="loopback"),
        pytest.param("http_options: {host: 0.0.0.0}", {}, "http_options.host", id="everywhere, no tokens"),
        pytest.param("proxy_location: HeadOnly", {}, "http_options.host", id="left out means everywhere"),
        pytest.param(
            "http_options: {host: 0.0.0.0}",
            {
                "SEEDCORE_READER_TOKEN": "r" * 40,
                "SEEDCORE_EXECUTOR_TOKEN": "e" * 40,
                "SEEDCORE_OPERATOR_TOKEN": "o" * 40,
            },
            None,
            id="everywhere, with tokens",
        ),
    ],
)
def test_exposure(options: str, env: dict[str, str], key: str | None) -> None:
    text = HEAD.replace("http_options: {host: 127.0.0.1}", options) + ARGS
    assert [problem.key for problem in check_config(text, "c.yaml", env)] == ([key] if key else [])


def test_other_applications_are_not_ours_to_judge() -> None:
    other = "  - {name: other, route_prefix: /o, import_path: 'other:app', args: {x: 1}, deployments: [{name: Any}]}\n"
    assert lines_of(HEAD + ARGS + other) == []


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        ("import_path: 'other:app'", ["c.yaml:8: applications[1].import_path: got 'other:app'; expected what can be "
            "imported here, or a runtime_env that brings it: ModuleNotFoundError: No module named 'other'"]),
        ("import_path: 'other:app', runtime_env: {working_dir: 'https://example.invalid/a.zip'}", []),
        ("import_path: 'there:app'", []),
    ],
)  # fmt: skip
def test_what_an_import_path_names_is_imported(app: str, expected: list[str]) -> None:
    def find_failure(import_path: str) -> str | None:
        return "ModuleNotFoundError: No module named 'other'" if import_path == "other:app" else None

    other = f"  - {{name: other, route_prefix: /o, {app}}}\n"
    found = check_config(HEAD + ARGS + other, "c.yaml", {}, find_failure=find_failure)
    assert [problem.render() for problem in found] == expected


@pytest.mark.parametrize(
    ("import_path", "why"),
    [
        ("serve_app.nowhere:build", "No module named 'serve_app.nowhere'"),
        ("serve_app.check.rules:nothing", "has no attribute 'nothing'"),
        ("nowhere", "No module named 'nowhere'"),
        (".relative:build", "invalid format"),
    ],
)
def test_what_cannot_be_imported(import_path: str, why: str) -> None:
    with pytest.raises((ImportError, AttributeError, ValueError), match=why):
        imports.main([import_path])


@pytest.mark.parametrize("import_path", ["serve_app.check.rules:SINGLE", "serve_app.check.rules.SINGLE"])
def test_both_forms_are_imported(import_path: str) -> None:
    assert imports.main([import_path]) == 0


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan"])
def test_numbers_that_json_does_not_have_are_refused(number: str) -> None:
    text = HEAD.replace("127.0.0.1}", f"127.0.0.1, request_timeout_s: {number}}}") + ARGS
    assert lines_of(text) == [
        f"c.yaml:1: http_options.request_timeout_s: got {number}; expected a number that ends; JSON has no other"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a: "\\ud800"', "c.yaml:1: a: got '\\ud800'; expected characters that are whole"),
        ('a: 1\nb: {"c\\ud800": 1}', "c.yaml:2: b.'c\\ud800': got 'c\\ud800'; expected characters that are whole"),
    ],
)
def test_half_a_character_is_refused(text: str, expected: str) -> None:
    assert lines_of(text) == [expected]


@pytest.mark.parametrize("organ_type", ["{a: 1}", "[a]", "~", "5"])
def test_a_type_that_is_no_word_is_refused(organ_type: str) -> None:
    args = ARGS.replace("type: Cognitive", f"type: {organ_type}")
    skills = "    deployments: [{name: cognitive_organ_1, user_config: {skills: ['a:b']}}]\n"
    assert [line.partition(": got")[0] for line in lines_of(HEAD + args + skills)] == [
        f"c.yaml:7: {APP}.args.organs[0].type"
    ]


def test_no_more_is_read_than_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_bytes(b"a" * MAX_BYTES + "ä".encode())
    assert [problem.line for problem in check_config(read_config(path), "c.yaml", {})] == [1]
    path.write_bytes(b"a: \xff")
    with pytest.raises(UnicodeDecodeError):
        read_config(path)


def test_an_alias_that_contains_itself_ends() -> None:
    assert check_config("a: &x\n  b: *x\n", "c.yaml", {})[0].line == 1


@pytest.mark.parametrize(
    ("path", "expected"), [((), ""), (("a", 0, "b"), "a[0].b"), (("applications", 1), "applications[1]")]
)
def test_key_of(path: tuple[str | int, ...], expected: str) -> None:
    assert format_path(path) == expected


def test_problem_text() -> None:
    assert (
        ConfigProblem("c.yaml", 12, "a.b", "'x'", "one of y").render() == "c.yaml:12: a.b: got 'x'; expected one of y"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        ([], 2, "", USAGE + "\n"),
        (["--help"], 2, "", USAGE + "\n"),
        (["good.yaml"], 0, f"good.yaml: fine\n{NOTE}\n", ""),
        (
            ["good.yaml", "bad.yaml"],
            1,
            "good.yaml: fine\nbad.yaml:1: got nothing; expected a mapping with `applications`\n",
            "",
        ),
        (["gone.yaml"], 2, "", "gone.yaml: cannot be read: [Errno 2] No such file or directory: 'gone.yaml'\n"),
    ],
)
def test_command(
    arguments: list[str],
    code: int,
    out: str,
    err: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_DASHBOARD_ENABLE_PROFILING", raising=False)
    Path("good.yaml").write_text(GOOD)
    Path("bad.yaml").write_text("")
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (out, err)


def test_who_has_set_the_switch_is_not_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_DASHBOARD_ENABLE_PROFILING", "1")
    Path("good.yaml").write_text(GOOD)
    assert main(["good.yaml"]) == 0
    assert capsys.readouterr().out == "good.yaml: fine\n"


OWN = read_own_version()


@pytest.mark.parametrize(
    ("code_version", "expected"),
    [
        ("null", []),
        (OWN, []),
        (
            "0.0.9+aaaaaaaaaaaa",
            [
                f"c.yaml:6: {APP}.args.code_version: got '0.0.9+aaaaaaaaaaaa'; expected {OWN}, which this code is, "
                "or no such key"
            ],
        ),
        ("'no such thing'", [f"c.yaml:6: {APP}.args.code_version: got 'no such thing'; expected String should match"]),
    ],
)
def test_a_version_in_the_file_is_that_of_the_code(code_version: str, expected: list[str]) -> None:
    text = HEAD + ARGS.replace("    args:\n", f"    args:\n      code_version: {code_version}\n")
    found = lines_of(text)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", ["serve_config.yaml", "settings.yaml"])
def test_a_configuration_of_an_old_version_is_fine(name: str) -> None:
    """The one that commit 9652b36 shipped, and one with every setting that it knew."""
    recorded = Path(__file__).parents[2] / "upgrade" / "recorded" / "9652b36" / name
    assert lines_of(recorded.read_text()) == []


def test_stamped_is_the_same_but_for_the_version_and_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {
        **yaml.safe_load(SHIPPED.read_text()),
        "applications": [
            *yaml.safe_load(SHIPPED.read_text())["applications"],
            {
                "name": "theirs",
                "import_path": "their.app:build",
                "route_prefix": "/theirs",
                "args": {"a": 1},
                "runtime_env": {"working_dir": "https://example.invalid/theirs.zip"},
            },
        ],
    }
    Path("c.yaml").write_text(yaml.safe_dump(config))
    assert main(["--stamp", "c.yaml"]) == 0
    stamped = yaml.safe_load(capsys.readouterr().out)
    assert stamped["applications"][0]["args"].pop("code_version") == OWN
    http = {"host": "127.0.0.1", "port": 8000, "request_timeout_s": 310}
    assert stamped["applications"][0]["args"].pop("deployed_http") == http
    assert stamped == config


def test_what_another_code_had_stamped_is_stamped_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deployed.yaml").write_text(
        HEAD + ARGS.replace("    args:\n", "    args:\n      code_version: 0.0.9+aaaaaaaaaaaa\n")
    )
    assert main(["deployed.yaml"]) == 1
    capsys.readouterr()
    assert main(["--stamp", "deployed.yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["applications"][0]["args"]["code_version"] == OWN


@pytest.mark.parametrize(
    ("arguments", "code", "err"),
    [
        (["--stamp"], 2, USAGE),
        (["--stamp", "c.yaml", "d.yaml"], 2, USAGE),
        (["c.yaml", "--stamp"], 2, USAGE),
        (["--stamp", "bad.yaml"], 1, "bad.yaml:1: got nothing; expected a mapping with `applications`"),
    ],
)
def test_nothing_is_stamped_that_is_not_fine(
    arguments: list[str],
    code: int,
    err: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text("")
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", err + "\n")


A_TIME, NO_TIMES = "got a time, which YAML makes of it without quotes", "since Serve can be sent no times"
SILENCES = (
    DEPLOYMENTS
    + """\
      - name: Alerts
        user_config:
          silences:
            - {reason: past, until: "2026-01-01T12:00:00Z"}
            - {reason: to come, until: "2026-01-01T12:00:01Z"}
            - {reason: for ever}
"""
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            "2026-11-27T13:00:00+05:45",
            f'{A_TIME}; expected a text in quotes, as "2026-11-27 13:00:00+05:45", {NO_TIMES}',
        ),
        ("2026-11-27", f'{A_TIME}; expected a text in quotes, as "2026-11-27", {NO_TIMES}'),
        ('"2026-11-27T13:00"', "got '2026-11-27T13:00'; expected a time with its offset, as \"2026-01-31T12:00:00Z\""),
        ("!!binary YQ==", "got b'a'; expected a text, a number, true, false, a list or a mapping"),
    ],
)
def test_a_time_that_serve_cannot_be_sent_is_told_before_it_is(changed: str, expected: str) -> None:
    text = SILENCES.replace('"2026-01-01T12:00:00Z"', changed)
    assert lines_of(text)[0] == f"c.yaml:12: {FIRST}.user_config.silences[0].until: {expected}"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("{2026-01-01: x}", "got the key datetime.date(2026, 1, 1)"),
        ("{!!binary YQ==: x}", "got the key b'a'"),
        ("{1: x, 1.5: x, true: x, null: x}", None),  # JSON makes texts of these
    ],
)
def test_a_key_that_serve_cannot_be_sent_is_told_before_it_is(args: str, expected: str | None) -> None:
    more = "; expected keys that are texts, in quotes where YAML reads more"
    shop = f"  - {{name: shop, import_path: shop:app, route_prefix: /shop, args: {args}}}\n"
    told = check_config(HEAD + ARGS + shop, "c.yaml", {}, find_failure=lambda _: None)
    assert [each.render() for each in told] == (
        [] if expected is None else [f"c.yaml:8: applications[1].args: {expected}{more}"]
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("autoscaling_config: {min_replicas: x}", ".min_replicas: got 'x'; expected a valid integer"),
        ("autoscaling_config: {min_replicas: -1}", ".min_replicas: got -1; expected greater than or equal to 0"),
        ("autoscaling_config: {min_replicas: 3}", ": got {'min_replicas': 3}; expected another value: max_replicas"),
        ("autoscaling_config: {max_replica: 3}", ".max_replica: got an unknown key; expected "),
        ("num_replicas: auto, autoscaling_config: {min_replicas: 3}", None),
    ],
)
def test_what_serve_cannot_scale_by_is_told_before_it_is_sent(given: str, expected: str | None) -> None:
    told = lines_of(DEPLOYMENTS + f"      - {{name: cognitive_organ_1, {given}}}\n")
    if expected is None:
        assert told == []
    else:
        assert len(told) == 1
        assert told[0].startswith(f"c.yaml:9: {FIRST}.autoscaling_config{expected}")


def test_an_alias_that_contains_itself_is_told() -> None:
    (line, *_) = lines_of(HEAD + ARGS + "    runtime_env: &a {env_vars: *a}\n")
    assert line == "c.yaml:8: applications[0].runtime_env.env_vars: got itself, by an alias; expected a value that ends"


def test_a_silence_that_is_over_is_told_and_no_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(SILENCES) == []
    told = f"{FIRST}.user_config.silences[0]: this silence ended at 2026-01-01T12:00:00.000+00:00; it silences nothing"
    assert list_notes(SILENCES, "c.yaml", datetime(2026, 1, 1, 12, tzinfo=UTC)) == [f"c.yaml:12: {told}"]
    assert list_notes(SILENCES, "c.yaml", datetime(2026, 1, 1, 11, tzinfo=UTC)) == []
    path = tmp_path / "c.yaml"
    path.write_text(SILENCES)
    assert main([str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [f"{path}: fine", f"{path}:12: {told}"]


RESTARTS = (
    "cognitive_organ_1 without autoscaling_config: with a plain `serve deploy` of this file, the first step that gives "
    "one to any organ restarts all deployments; `make up` and `python -m serve_app.deploy` write one for each, and "
    "`python -m serve_app.check --stamp` prints it so"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD, []),
        (SHIPPED.read_text(), []),
        (DEPLOYMENTS + "      - {name: cognitive_organ_1}\n", [f"c.yaml:8: {APP}.deployments: {RESTARTS}"]),
        (HEAD + ARGS, [f"c.yaml:3: {APP}.deployments: {RESTARTS}"]),
        (HEAD.replace("serve_app.main:build", "shop:app"), []),
    ],
)
def test_that_a_first_step_restarts_all_is_said(text: str, told: list[str]) -> None:
    assert list_restarts(text, "c.yaml") == told


def test_the_command_says_it_of_a_file_as_it_is_and_not_of_one_that_it_renders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_DASHBOARD_ENABLE_PROFILING", "1")
    Path("old.yaml").write_text(HEAD + ARGS)
    assert main(["old.yaml"]) == 0
    assert capsys.readouterr().out == f"old.yaml: fine\nold.yaml:3: {APP}.deployments: {RESTARTS}\n"
    assert main(["--stamp", "old.yaml"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert list_restarts(printed.out, "stamped.yaml") == []
