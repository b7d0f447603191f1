"""The most memory that this process has held, not what it inherited from the one that started it."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def peak_mb() -> int:
    """Megabytes; 0 on Windows. On Linux ru_maxrss begins with the peak of the parent, a large test run, say."""
    if sys.platform == "win32":
        return 0
    if sys.platform == "linux":
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
        assert found is not None
        return int(found[1]) // 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024**2
