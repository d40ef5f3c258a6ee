"""The machine a figure was measured on, and how fast it was at that moment."""

import platform
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

PROBE_ROUNDS = 5
PROBE_STEPS = 200_000


def machine_line(postgres_version: str | None) -> dict[str, Any]:
    """What to know of the machine to judge a figure."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "postgres": postgres_version,
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
    }


def probe() -> dict[str, float]:
    """A fixed piece of Python, timed: what else ran on the machine shows as wall over CPU.

    Two runs may be compared as far as their probes agree.
    """
    walls, cpus = [], []
    for _ in range(PROBE_ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        total = 0
        for step in range(PROBE_STEPS):
            total += step * step % 7
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"wall_ms": round(min(walls) * 1000, 2), "cpu_ms": round(min(cpus) * 1000, 2)}


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=False,
        )
        return asked.stdout.strip() or platform.processor()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.processor()
