"""``python -m tests.bench diagnosis``: time and memory of a diagnosis over the size of the log and the number of rules.

Each measure runs in a process of its own, so that memory is that of one log. Beside it: reading the same bytes and
counting their line ends, which is the least that anybody who looks at a log must do.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Say = Callable[[str], None]

MEGABYTE = 1_048_576
SIZES_MB = (1, 10, 100, 1_000)
_ROUNDS = 41
_STEP = "2026-11-23 12:{:02}:{:02},123 INFO train.py:120 -- step {} loss=0.{:04} lr=1e-4 samples/s=123.4 errors=0\n"
_NOISE = (
    "(raylet) [2026-11-23 12:00:00,1 I 77 77] (raylet) local_object_manager.cc:490: Spilled 12 MiB, 3 objects\n"
    "\x1b[36m(load pid=4711, ip=10.0.0.7)\x1b[0m 2026-11-23 12:00:00,9 WARNING data.py:8 -- slow shard, trying again\n"
    "Epoch 3:  41%|####      | 410/1000 [00:12<00:17]\rEpoch 3:  42%|####      | 420/1000 [00:12<00:17]\n"
    "2026-11-23 12:00:01,5 ERROR data.py:31 -- ConnectionError: shard 12 did not answer, trying again in 2 s\n"
)
_END = (
    "Traceback (most recent call last):\n"
    '  File "train.py", line 9, in <module>\n'
    "    ray.get(step.remote())\n"
    "ray.exceptions.RayTaskError(ModuleNotFoundError): ray::step() (pid=9, ip=10.0.0.1)\n"
    '  File "train.py", line 3, in step\n'
    "    import fastshard\n"
    "ModuleNotFoundError: No module named 'fastshard'\n"
)


def run(say: Say) -> int:
    """Measure everything and print each goal with what was reached; the exit code tells whether all were."""
    from serve_app.jobs.diagnosis.catalogue.built_in import load_built_in

    goals: list[tuple[str, bool]] = []
    say(f"A diagnosis, {len(load_built_in().signatures)} signatures are built in")
    timings = {size: _in_a_process("size", size) for size in SIZES_MB}
    for size, each in timings.items():
        ratio = each["seconds"] / each["plain_s"]
        say(f"  {size:5} MB: {each['seconds']:.3f} s, {each['peak_mb']:.0f} MB, {ratio:.1f} x counting its lines")
    goals.append(_goal("100 MB", timings[100]["seconds"], 2.5, "s"))
    goals.append(_goal("memory for 100 MB", timings[100]["peak_mb"], 150, "MB"))
    growth = timings[1_000]["seconds"] / timings[100]["seconds"]
    goals.append(_goal("1000 MB against 100 MB", growth, 12, "x"))
    for rules in (0, 300, 3_000):
        each = _in_a_process("rules", rules)
        say(f"  1 MB with {rules} more rules: p50 {each['p50_ms']:.1f} ms, p95 {each['p95_ms']:.1f} ms")
        if rules == 300:
            goals.append(_goal("1 MB with 300 more rules, p95", each["p95_ms"], 50, "ms"))
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "serve_app.diagnose", "-"], input=b"", stdout=subprocess.DEVNULL, check=True)
    goals.append(_goal("the command, from start to end", time.perf_counter() - began, 0.5, "s"))
    for line, _ in goals:
        say(line)
    return 0 if all(reached for _, reached in goals) else 1


def chunks(size_bytes: int) -> Iterator[bytes]:
    """A log of a training run of this size, whose last lines are a failure."""
    end = _END.encode()
    left = size_bytes - len(end)
    part = b"".join(
        (_NOISE if step % 50 == 0 else _STEP.format(step // 60 % 60, step % 60, step, step % 9999)).encode()
        for step in range(10_000)
    )
    while left > 0:
        yield part[: min(left, len(part))]
        left -= len(part)
    yield b"\n" + end


def _in_a_process(what: str, number: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.diagnosis", what, str(number)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=600)
    return dict(json.loads(done.stdout))


def _measure(what: str, number: int) -> dict[str, Any]:
    from serve_app.jobs.diagnosis.catalogue.built_in import CODES, load_built_in
    from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue, Signature
    from serve_app.jobs.diagnosis.engine.diagnose import diagnose
    from serve_app.jobs.diagnosis.models import Fields, SourceKind, TextSource

    def one(size_bytes: int, catalogue: Catalogue) -> float:
        # A log of a megabyte is made before the clock starts; a larger one would be memory that is not the diagnosis's.
        made = list(chunks(size_bytes)) if size_bytes <= MEGABYTE else chunks(size_bytes)
        began = time.perf_counter()
        source = TextSource("log", SourceKind.FILE, made)
        found = diagnose(Fields(), [source], catalogue)
        assert found.code == "app.import-error", found
        return time.perf_counter() - began

    if what == "size":
        one(1_000, load_built_in())
        began = time.perf_counter()
        sum(chunk.count(b"\n") for chunk in chunks(number * MEGABYTE))
        plain_s = time.perf_counter() - began
        seconds = one(number * MEGABYTE, load_built_in())
        return {"seconds": seconds, "plain_s": plain_s, "peak_mb": _peak_mb()}
    more = [
        Signature(name=f"more-{each}", code="unknown", contains=(f"words of rule {each}",), matches=(), near_misses=())
        for each in range(number)
    ]
    catalogue = Catalogue([*load_built_in().signatures, *more], CODES)
    one(1_000, catalogue)
    times = sorted(one(MEGABYTE, catalogue) * 1_000 for _ in range(_ROUNDS))
    return {"p50_ms": statistics.median(times), "p95_ms": times[int(0.95 * (_ROUNDS - 1))]}


def _peak_mb() -> float:
    """Most memory of this process since it began; ``getrusage`` also counts what its parent had at the fork."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1_024


def _goal(what: str, value: float, at_most: float, unit: str) -> tuple[str, bool]:
    reached = value <= at_most
    return f"  {'PASS' if reached else 'FAIL'} {what}: {value:.3g} {unit} (at most {at_most:g})", reached


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]))))
