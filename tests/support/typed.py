"""Commands, typed as a user types them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def curate(
    *arguments: str | Path, cwd: Path | None = None, seconds: int = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`curate ARGUMENTS` in a process of its own, with more in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "curate.app", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | environment,
        timeout=seconds,
    )
