"""Write jobs into a history that the side's own application reads: ``fill.py <database URL> <how many>``."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from layouts import load

_BATCH = 500


async def fill(url: str, count: int) -> float:
    """Write so many ended jobs; the CPU seconds that it took."""
    rows, store = load("bench_rows"), await load("store").Store.open(url, timeout_s=30)
    made = [rows.records(first, min(_BATCH, count - first)) for first in range(0, count, _BATCH)]
    began = time.process_time()
    try:
        for batch in made:
            await store.save_jobs(rows.SESSION, batch)
    finally:
        await store.close()
    return time.process_time() - began


if __name__ == "__main__":
    print(json.dumps({"written": asyncio.run(fill(sys.argv[1], int(sys.argv[2])))}))
