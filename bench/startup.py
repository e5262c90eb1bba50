"""How long a start takes: bare Python, `import vertebra`, `vertebra list`, `vertebra cost efficientnet_b7`.

Fresh processes take turns; medians in milliseconds, wall clock and CPU (user and system: what a busy machine does not
inflate), and what each adds to the bare start.

    python bench/startup.py [ROUNDS]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

COMMAND = str(Path(sysconfig.get_path("scripts"), "vertebra"))
WAYS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import vertebra": [sys.executable, "-c", "import vertebra"],
    "import vertebra; vertebra.cost": [sys.executable, "-c", "import vertebra; vertebra.architecture; vertebra.cost"],
    "vertebra list": [COMMAND, "list"],
    "vertebra cost efficientnet_b7": [COMMAND, "cost", "efficientnet_b7"],
}
FOREIGN = "import sys, vertebra; print(*sorted({'torch', 'numpy'} & set(sys.modules)))"


def main(rounds: int) -> None:
    wall: dict[str, list[float]] = {way: [] for way in WAYS}
    cpu: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(rounds + 1):
        for way, command in WAYS.items():
            begun, used = time.perf_counter(), _children()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first round warms the disk's cache and writes bytecode
                wall[way].append((time.perf_counter() - begun) * 1e3)
                cpu[way].append((_children() - used) * 1e3)
    bare = statistics.median(wall["python -c pass"])
    for way in WAYS:
        median = statistics.median(wall[way])
        used = statistics.median(cpu[way])
        print(f"{way:32} {median:7.1f} ms   {median - bare:+7.1f} ms   CPU {used:6.1f} ms   n={rounds}")
    found = subprocess.run([sys.executable, "-c", FOREIGN], check=True, capture_output=True, text=True).stdout.split()
    print(f"torch or numpy after `import vertebra`: {', '.join(found) or 'neither'}")


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
