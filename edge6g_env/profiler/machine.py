"""The machine that is profiled: its name, memory, and the rates that stand for the data sheet it does not have."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch

from edge6g_env._threads import usable_cores
from edge6g_env.profiler.bench import time_calls
from edge6g_env.profiler.products import activation_dtype, make_product

# Rows, inputs, outputs of the product that stands for a peak: in the cache, large enough to be fast.
PROBE = (512, 1024, 1024)
READ_BYTES = 256 * 2**20
DISK_BYTES = 128 * 2**20
# Judgement: where what was written cannot be taken out of the page cache; a SATA SSD reads 0.5, an NVMe 2 to 7.
UNKNOWN_DISK_GBS = 1.0
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Machine(NamedTuple):
    """What the times of a profile depend on, and the memory in bytes."""

    processor: str
    architecture: str
    system: str
    cores: int
    threads: int
    torch: str
    memory_bytes: int


def this_machine(threads: int) -> Machine:
    """This machine with torch on so many threads."""
    return Machine(
        _processor(),
        platform.machine(),
        platform.system(),
        usable_cores(),
        threads,
        torch.__version__,
        _memory_bytes(),
    )


def _processor() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model", "Hardware") and value.strip():
                return value.strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        told = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
        if told.stdout.strip():
            return told.stdout.strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    """Memory of the machine, or of the container that this runs in."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in _CGROUP_LIMITS:
        try:
            total = min(total, int(Path(name).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return total


def load_per_core() -> float:
    """Runnable processes per core in the last minute; 0 where the system does not say."""
    try:
        return os.getloadavg()[0] / usable_cores()
    except OSError:
        return 0.0


def product_s(precision: str, budget_s: float) -> float:
    """Time in s of one square product at a precision, 2 * 512 * 1024 * 1024 FLOP."""
    rows, inputs, outputs = PROBE
    generator = torch.Generator().manual_seed(0)
    product = make_product(torch.randn(outputs, inputs, generator=generator), precision)
    x = torch.randn(rows, inputs, generator=generator).to(activation_dtype(precision))
    return time_calls(lambda _: product(x), budget_s)


def read_s(budget_s: float) -> float:
    """Time in s to read 256 MiB of memory once."""
    numbers = torch.ones(READ_BYTES // 4)
    return time_calls(lambda _: numbers.sum(), budget_s)


def disk_s(folder: Path) -> float:
    """Time in s to read 128 MiB of a file that is not in the page cache; what UNKNOWN_DISK_GBS takes where that cannot be had."""
    if not hasattr(os, "posix_fadvise"):
        return DISK_BYTES / (UNKNOWN_DISK_GBS * 1e9)
    block = os.urandom(2**20)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(DISK_BYTES // len(block)):
            file.write(block)
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        start = time.perf_counter()
        while file.read(2**22):
            pass
        return time.perf_counter() - start
