"""Facts of the machine that a figure was measured on."""

import os
import platform
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil


def facts(folder: Path | None = None) -> dict[str, Any]:
    """CPU, memory, versions, and the median time of an 8 KiB write with fsync (ms) in `folder`."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "fsync_ms": round(_fsync_ms(folder or Path(tempfile.gettempdir())), 2),
    }


def resident_mib(pid: int) -> float:
    """Memory of a process and of all its children, in MiB: pages that they share count once (PSS)."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return float(sum(each.memory_full_info().pss for each in family)) / 2**20


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _fsync_ms(folder: Path) -> float:
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        times = []
        for _ in range(30):
            file.write(b"x" * 8192)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return median(times)
