"""Ray's message about a kill for memory, of this version and of older ones."""

from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.log.memory_kills import MemoryKill, MemoryUser, ends_kill, read_kill

HEAD = (
    "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.0.1, ID: 58a0) was "
    "5.03GB used / 23.54GB limit (0.213520)"
)
NOW = f"""Task load failed due to oom. There are infinite oom retries remaining, so the task will be retried. Error: {HEAD}
OOM kill reason: Memory usage 5397008384B exceeded threshold of 5383897600B (21.3% of 25276514304B limit)
Object store memory usage: [- objects spillable: 0

- objects created by worker: 0]
Ray killed 1 worker(s) based on the killing policy
Considered workers: [
Selected to kill: (Task: job ID=05000000, lease ID=00, task name=load, required resources={{CPU: 1}}, pid=17480, actual memory used=3.68GB, worker ID=b067)
(Actor(e4b3): job ID=01000000, lease ID=04, task name=Model.fit, required resources={{}}, pid=17416, actual memory used=0.06GB, worker ID=d7fd)
]
Top 10 memory users: PID\tMEM(GB)\tCOMMAND
17416\t0.06\tray::Model.fit
17480\t3.68\tray::load
17447\t0.05\tpython main.py
Refer to the documentation on how to address the out of memory issue: https://docs.ray.io/x.html.
the program goes on
9\t9.99\tray::later"""  # noqa: E501
BEFORE = """Task was killed due to the node running low on memory.
Memory on the node (IP: 10.0.0.1, ID: e5d9) where the task (task ID: 43, name=allocate, pid=11362, memory used=1.25GB) was running was 27.71GB / 28.80GB (0.962273), which exceeds the memory usage threshold of 0.95.
Top 10 memory users:
PID\tMEM(GB)\tCOMMAND
10728\t8.47\tray::allocate
11362\t1.25\tray::allocate
Refer to the documentation on how to address the out of memory issue: https://docs.ray.io/x.html."""  # noqa: E501


def lines(text: str, first: int = 1) -> list[tuple[int, str]]:
    return list(enumerate(text.splitlines(), first))


@pytest.mark.parametrize(
    ("text", "kill"),
    [
        (
            NOW,
            MemoryKill(
                1, 15, "load", (MemoryUser(17480, "load", 3.68, "05000000"),),
                (
                    MemoryUser(17480, "ray::load", 3.68, "05000000"),
                    MemoryUser(17416, "ray::Model.fit", 0.06, "01000000"),
                    MemoryUser(17447, "python main.py", 0.05),
                ),
                5.03, 23.54, True,
            ),
        ),
        (
            BEFORE,
            MemoryKill(
                1, 7, None, (MemoryUser(11362, "allocate", 1.25),),
                (MemoryUser(10728, "ray::allocate", 8.47), MemoryUser(11362, "ray::allocate", 1.25)), 27.71, 28.80,
            ),
        ),
        (f"ray.exceptions.OutOfMemoryError: {HEAD}", MemoryKill(1, 1, None, (), (), 5.03, 23.54)),
        # It names nothing.
        ("Task was killed due to the node running low on memory.", None),
    ],
    ids=["now", "before", "cut off", "nothing"],
)  # fmt: skip
def test_what_is_read_of_it(text: str, kill: MemoryKill | None) -> None:
    assert read_kill(lines(text)) == kill


def test_a_message_that_never_ends_is_not_followed_for_ever() -> None:
    kill = read_kill(lines("\n".join([HEAD, *["- a worker"] * 500])))
    assert kill is not None
    assert kill.end == 121


def test_the_next_message_is_not_part_of_this_one() -> None:
    first = NOW.partition("Refer to")[0]
    kill = read_kill(lines(f"{first}{NOW}"))
    assert kill is not None
    assert (kill.end, len(kill.killed)) == (14, 1)


@pytest.mark.parametrize(
    ("name", "is_worker"),
    [("ray::load", True), ("ray::IDLE", False), ("ray::JobSupervisor", False), ("python main.py", False)],
)
def test_what_runs_tasks(name: str, is_worker: bool) -> None:
    assert MemoryUser(1, name, 1.0).is_worker is is_worker


def test_its_last_line() -> None:
    text = NOW.splitlines()
    assert [number for number, line in enumerate(text) if ends_kill(line)] == [14]
