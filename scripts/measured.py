"""Run one command and write what it took, as JSON: wall and CPU seconds, peak MB.

    python scripts/measured.py REPORT.json COMMAND ...

This is a process of its own, and a small one, for two reasons: Linux hands the peak of a process on to its children, so
that a benchmark holding a table would measure itself; and the peak of "all children so far" never falls again.

peak_mb is the largest process (resident), exact. together_mb adds up the processes that ran at the same time, a shared
page divided among all that share it (proportional set size), looked at ten times a second; at least peak_mb.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.1


def main() -> int:
    report, *command = sys.argv[1:]
    start, done, seen = time.perf_counter(), threading.Event(), [0]
    child = subprocess.Popen(command)
    watcher = threading.Thread(target=watch, args=(child.pid, done, seen))
    watcher.start()
    code = child.wait()
    wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    done.set()
    watcher.join()
    peak = round(used.ru_maxrss / 1024)
    cost = {"wall_s": round(wall, 2), "cpu_s": round(used.ru_utime + used.ru_stime, 2), "peak_mb": peak,
            "together_mb": max(peak, seen[0])}
    Path(report).write_text(json.dumps(cost), "utf-8")
    return code


def watch(pid: int, done: threading.Event, seen: list[int]) -> None:
    """Keep in `seen` the most MB that several processes held together."""
    while not done.wait(SECONDS_BETWEEN_LOOKS):
        running = family(pid)
        if len(running) > 1:
            seen[0] = max(seen[0], sum(map(proportional_kb, running)) // 1024)


def family(pid: int) -> list[int]:
    """A process and all its descendants that still run, whichever of its threads started them."""
    try:
        children = [child for task in Path(f"/proc/{pid}/task").iterdir()
                    for child in (task / "children").read_text().split()]
    except OSError:  # it ended between two looks
        return []
    return [pid, *(member for child in children for member in family(int(child)))]


def proportional_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended between two looks
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    sys.exit(main())
