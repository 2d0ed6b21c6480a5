"""Inputs that read like pictures, and do harm to who reads them."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Poison:
    """Where a picture lies that kills its reader, or never ends; `late` ones are read first, and do it afterwards."""

    deed: Literal["kill", "hang", "slow"]
    picture: Path | None = None

    def read(self) -> bytes:
        """What it does."""
        if self.deed == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(1.0 if self.deed == "slow" else 1000)
        return self.picture.read_bytes() if self.picture else b""
