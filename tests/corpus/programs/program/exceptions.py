"""Uncaught exceptions of the driver, in every shape in which they reach a log."""

from __future__ import annotations

from tests.corpus.program import Program

_PLAIN = """
import ray

ray.init()
ROWS = [{"user": 1, "clicks": 4}, {"user": 2, "clicks": 9}, {"user": 3}]


def total(rows):
    return sum(row["clicks"] for row in rows)


def main():
    print(f"{len(ROWS)} rows, {total(ROWS)} clicks")


main()
"""
_HANDLING = """
CACHE = {}


def parse(text):
    return int(text)


def read(key, text):
    try:
        return parse(text)
    except ValueError:
        return CACHE[key]


print(read("limit", "12,5"))
"""
_DIRECT = '''
class StepFailed(Exception):
    """A step of the pipeline did not finish."""


class PipelineFailed(Exception):
    """The pipeline did not finish."""


def join(left, right):
    return left + right


def step(name):
    try:
        return join("a", 1)
    except TypeError as error:
        raise StepFailed(f"step {name} failed") from error


try:
    step("join-clicks")
except StepFailed as error:
    raise PipelineFailed("pipeline nightly failed after 1 of 7 steps") from error
'''
_GROUP = """
import asyncio


async def fetch(shard):
    await asyncio.sleep(shard / 100)
    if shard % 2:
        raise LookupError(f"shard {shard} has no index")
    return shard


async def main():
    async with asyncio.TaskGroup() as group:
        for shard in range(4):
            group.create_task(fetch(shard))


asyncio.run(main())
"""
_CUSTOM = '''
import logging

logging.basicConfig(level=logging.INFO, format="[%(levelname).1s %(asctime)s %(name)s] %(message)s")
log = logging.getLogger("acme.quality")


class QualityGateTripped(BaseException):
    """The new model is worse than the old one."""


for metric, old, new in (("auc", 0.91, 0.92), ("ndcg@10", 0.44, 0.31)):
    log.info("%s: %.2f -> %.2f", metric, old, new)
    if new < old:
        raise QualityGateTripped(f"{metric} fell from {old} to {new}")
'''
_LONG = """
import json

rows = [{"id": number, "state": "error" if number % 3 else "ok", "tags": ["a", "b"] * 4} for number in range(1500)]
raise RuntimeError("response was refused: " + json.dumps(rows))
"""
_NOT_UTF8 = r"""
import sys

out = sys.stdout.buffer
for name in ("Müller", "Gößmann", "Señora Peña"):
    out.write(f"lade Datensatz für {name}\n".encode("latin-1"))
out.write(b"\x00\x01\xfe\xff\x80 raw header of the file\n")
out.flush()
sys.stderr.buffer.write("Prüfsumme stimmt nicht: 0xfe\n".encode("latin-1"))
sys.stderr.flush()
raise ArithmeticError("checksum of block 7 differs")
"""
_LINES = '''
REPORT = """3 of 120 checks did not pass:
  - users.email: 14 duplicates
  - orders.total: 2 negative values
      Traceback of the check is in report.html
  - orders.day: Error rate above 0.02
Run `checks --explain` for more."""


class ChecksDidNotPass(RuntimeError):
    pass


raise ChecksDidNotPass(REPORT)
'''
_CHINESE = """
import logging

logging.basicConfig(level=logging.INFO, format="%(asctime)s [%(levelname)s] %(message)s")
logging.info("开始加载数据集,共 3 个分片")
logging.warning("分片 2 的样本数偏少")


class 数据错误(ValueError):
    pass


raise 数据错误("分片 3 的标签列缺失,无法继续训练")
"""
_RUSSIAN = """
import sys

print("Загрузка модели… готово")
print("Ошибка: недостаточно данных для расчёта (нужно 100, есть 7)", file=sys.stderr)
raise RuntimeError("расчёт прерван: недостаточно данных")
"""
_LOGGED = """
import logging
import sys

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
log = logging.getLogger("trainer")
for step in range(0, 130, 10):
    log.info("step %d loss %s", step, round(2.3 / (step + 1), 4) if step < 120 else "nan")
log.error("loss became NaN at step 120, giving up")
sys.exit(1)
"""
_THREADS = """
import concurrent.futures


def shard(number):
    if number == 5:
        raise OverflowError(f"shard {number}: offset does not fit into 32 bits")
    return number


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(shard, range(8))))
"""
_PERL = """
use strict;
print "reading 3 ledgers\\n";
my %rates = (EUR => 1.0, USD => 1.1);
for my $currency ("EUR", "USD", "GBP") {
    die "no rate for $currency" unless exists $rates{$currency};
    print "$currency ok\\n";
}
"""

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-exception-key",
        title="A key that a row does not have",
        primary="app.exception",
        why="main() raises KeyError.",
        evidence="KeyError: 'clicks'",
        source_code=_PLAIN,
    ),
    Program(
        id="m-exception-during-handling",
        title="An exception while another was handled",
        primary="app.exception",
        why="The text is no number, and the cache that is asked then is empty.",
        evidence="ValueError: invalid literal for int() with base 10: '12,5'",
        source_code=_HANDLING,
    ),
    Program(
        id="m-exception-direct-cause",
        title="An exception that is the direct cause of another, twice",
        primary="app.exception",
        why="A text and a number are added, three levels below what is raised at last.",
        evidence='TypeError: can only concatenate str (not "int") to str',
        source_code=_DIRECT,
    ),
    Program(
        id="m-exception-group",
        title="A group of exceptions",
        primary="app.exception",
        why="A coroutine of a task group raises LookupError.",
        evidence="LookupError: shard 1 has no index",
        source_code=_GROUP,
    ),
    Program(
        id="m-exception-custom",
        title="An exception whose name does not end in Error",
        primary="app.exception",
        why="The program's own quality gate stops it.",
        evidence="QualityGateTripped: ndcg@10 fell from 0.44 to 0.31",
        source_code=_CUSTOM,
    ),
    Program(
        id="m-exception-long",
        title="An exception with a message of more than a hundred kilobytes",
        primary="app.exception",
        why="The message holds the whole refused response.",
        evidence="RuntimeError: response was refused: ",
        source_code=_LONG,
    ),
    Program(
        id="m-exception-not-utf8",
        title="Output that is not UTF-8",
        primary="app.exception",
        why="A checksum differs; what was printed before is Latin-1 and binary.",
        evidence="ArithmeticError: checksum of block 7 differs",
        source_code=_NOT_UTF8,
    ),
    Program(
        id="m-exception-multi-line",
        title="A message of several lines that speak of tracebacks and errors",
        primary="app.exception",
        why="Three checks of the data did not pass.",
        evidence="ChecksDidNotPass: 3 of 120 checks did not pass:",
        source_code=_LINES,
    ),
    Program(
        id="m-exception-chinese",
        title="A program that speaks Chinese, down to the name of its exception",
        primary="app.exception",
        why="A column of labels is missing.",
        evidence="分片 3 的标签列缺失,无法继续训练",
        source_code=_CHINESE,
    ),
    Program(
        id="m-exception-russian",
        title="A program that speaks Russian",
        primary="app.exception",
        why="There is too little data to compute from.",
        evidence="RuntimeError: расчёт прерван: недостаточно данных",
        source_code=_RUSSIAN,
    ),
    Program(
        id="m-exception-thread-pool",
        title="An exception in a thread",
        primary="app.exception",
        why="A function that ran in a pool of threads raises OverflowError.",
        evidence="OverflowError: shard 5: offset does not fit into 32 bits",
        source_code=_THREADS,
    ),
    Program(
        id="m-exception-assert",
        title="An assertion without words",
        primary="app.exception",
        why="An assert does not hold.",
        evidence="assert len(batch) == 32",
        source_code="import ray\n\nray.init()\nbatch = list(range(31))\nassert len(batch) == 32\n",
    ),
    Program(
        id="m-exit-text",
        title="An exit with words",
        primary="app.exception",
        acceptable=("unknown", "app.usage-error"),
        why="sys.exit is called with a sentence.",
        evidence="no checkpoint is newer than the one in production, nothing to publish",
        source_code=(
            "import sys\n\nprint('comparing 4 checkpoints')\n"
            "sys.exit('no checkpoint is newer than the one in production, nothing to publish')\n"
        ),
    ),
    Program(
        id="m-exit-logged",
        title="A logged error, then exit code 1",
        primary="app.exception",
        acceptable=("unknown",),
        why="The loss became NaN; the program says so by its logger and exits.",
        evidence="loss became NaN at step 120, giving up",
        source_code=_LOGGED,
    ),
    Program(
        id="m-exit-perl",
        title="A Perl program that dies",
        primary="app.exception",
        acceptable=("unknown",),
        why="There is no rate for a currency.",
        evidence="no rate for GBP at ledgers.pl line 6.",
        entrypoint="perl ledgers.pl",
        files={"ledgers.pl": _PERL},
    ),
)
