from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.log.lines import parse_line
from serve_app.jobs.diagnosis.log.tracebacks import HEAD, Traceback, read_loose_exception, read_traceback

PLAIN = """\
Traceback (most recent call last):
  File "a.py", line 9, in <module>
    x['a']
    ~^^^^^
KeyError: 'a'
next words of the program
"""
DURING = """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    x['a']
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    raise ValueError("two\\nlines")
ValueError: two
lines
"""
NESTED_TWICE = """\
Traceback (most recent call last):
  File "a.py", line 9, in <module>
    ray.get(outer.remote())
ray.exceptions.RayTaskError(RuntimeError): ray::outer() (pid=12, ip=10.0.0.1)
  File "a.py", line 5, in outer
    return ray.get(inner.remote())
ray.exceptions.RayTaskError(ValueError): ray::inner() (pid=13, ip=10.0.0.1)
  File "a.py", line 4, in inner
    x()
ValueError: bad
"""
CONSTRUCTOR = """\
Traceback (most recent call last):
  File "a.py", line 9, in <module>
    ray.get(a.f.remote())
ray.exceptions.ActorDiedError: The actor died because of an error raised in its creation task, ray::A.__init__() (pid=7)
  File "a.py", line 4, in __init__
    raise ValueError("no table")
ValueError: no table
"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "x.py", line 3, in <module>
  |     raise ExceptionGroup("several", [ValueError("a"), TypeError("b")])
  | ExceptionGroup: several (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "x.py", line 2, in f
    |     g()
    | ValueError: a
    +---------------- 2 ----------------
    | TypeError: b
    +------------------------------------
done
"""
LOGGER = """\
ERROR 12-02 10:21:11 [core.py:396] Traceback (most recent call last):
ERROR 12-02 10:21:11 [core.py:396]   File "x.py", line 3, in <module>
ERROR 12-02 10:21:11 [core.py:396]     foo
ERROR 12-02 10:21:12 [core.py:396] ValueError: a
"""
INTERLEAVED = """\
\x1b[36m(f pid=1)\x1b[0m Traceback (most recent call last):
(g pid=2) other words
\x1b[36m(f pid=1)\x1b[0m   File "x.py", line 3, in <module>
words of the driver
\x1b[36m(f pid=1)\x1b[0m     foo
\x1b[36m(f pid=1)\x1b[0m torch.OutOfMemoryError: CUDA out of memory.
\x1b[36m(f pid=1)\x1b[0m next
"""
WITHIN_A_MESSAGE = """\
RuntimeError: Traceback (most recent call last):
  File "replica.py", line 9, in initialize
    self.callable()
ValueError: torch.float99 is not supported
"""
ONE_LINE = (
    'Starting... Traceback (most recent call last): File "c:\\a.py", line 62, in <module> ).remote() ^^^ '
    'File "E:\\v.py", line 17, in remote return x ValueError: The name X is taken.'
)
ESCAPED = '{"m":"Traceback (most recent call last):\\n  File \\"a.py\\", line 1, in f\\n    x\\nValueError: bad"}'
CUT = 'Traceback (most recent call last):\n  File "a.py", line 9, in <module>\n    x()\n'


def _read(text: str) -> Traceback:
    lines = [(number, parse_line(line.encode())) for number, line in enumerate(text.splitlines(), 1)]
    return read_traceback(lines[next(place for place, (_, line) in enumerate(lines) if HEAD in line.text) :])


@pytest.mark.parametrize(
    ("text", "end", "raised"),
    [
        (PLAIN, 5, [(5, "KeyError", False, False)]),
        (DURING, 11, [(4, "KeyError", False, False), (11, "ValueError", False, False)]),
        (
            NESTED_TWICE,
            10,
            [
                (10, "ValueError", True, False),
                (7, "ray.exceptions.RayTaskError", True, False),
                (4, "ray.exceptions.RayTaskError", False, False),
            ],
        ),
        (CONSTRUCTOR, 7, [(7, "ValueError", True, True), (4, "ray.exceptions.ActorDiedError", False, False)]),
        (
            GROUP,
            12,
            [(9, "ValueError", False, False), (11, "TypeError", False, False), (4, "ExceptionGroup", False, False)],
        ),
        (LOGGER, 4, [(4, "ValueError", False, False)]),
        (INTERLEAVED, 6, [(6, "torch.OutOfMemoryError", False, False)]),
        (WITHIN_A_MESSAGE, 4, [(4, "ValueError", False, False)]),
        (ONE_LINE, 1, [(1, "ValueError", False, False)]),
        (ESCAPED, 1, [(1, "ValueError", False, False)]),
        (CUT, 3, []),
    ],
)
def test_the_innermost_exception_comes_first(text: str, end: int, raised: list[tuple[int, str, bool, bool]]) -> None:
    traceback = _read(text)
    found = [(each.line, each.type, each.in_ray, each.in_constructor) for each in traceback.raised]
    assert (traceback.begin, traceback.end, found) == (1, end, raised)


def test_a_traceback_without_end_is_read_no_further_than_the_limit() -> None:
    text = HEAD + ":\n" + '  File "a.py", line 1, in f\n    f()\n' * 5_000
    traceback = _read(text)
    assert traceback.raised == ()
    assert traceback.end < 700


@pytest.mark.parametrize(
    ("line", "type"),
    [
        ("AssertionError", "AssertionError"),
        ("ValueError: no", "ValueError"),
        ("(f pid=3) ray.exceptions.RayTaskError(ValueError): ray::f()", "ray.exceptions.RayTaskError"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("the ValueError: was expected", None),
        ("errors: 0", None),
        ("Error: something", None),
        ("MyErrorRate: 0.4", None),
    ],
)
def test_an_exception_without_its_traceback(line: str, type: str | None) -> None:
    found = read_loose_exception(3, parse_line(line.encode()))
    assert (None if found is None else found.raised[0].type) == type
