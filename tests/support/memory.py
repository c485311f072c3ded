"""How much memory this process has had at most."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak() -> int:
    """In bytes, over the process's life.

    Linux hands `ru_maxrss` of a parent down to its children, through exec even: so where the
    kernel tells of this process alone, that is what counts.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        (kilobytes,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        return int(kilobytes) << 10
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
