"""A FiftyOne that is installed, as far as anybody can see, and whose server does not run."""

from __future__ import annotations

import sys
from pathlib import Path

NO_LIBRARY = """#!/bin/sh
echo "$0: error while loading shared libraries: libssl.so.1.1: cannot open shared object file: No such file" >&2
exit 127
"""
HANGS = f"#!{sys.executable}\nimport time\ntime.sleep(600)\n"
ENDS = "#!/bin/sh\nexit 14\n"
RUNS = "#!/bin/sh\necho 'db version v7.0.28'\n"


def package(folder: Path, script: str | None) -> Path:
    """A folder for PYTHONPATH with a package `fiftyone`; `script` is its mongod, None leaves it out."""
    programs = folder / "fiftyone" / "db" / "bin"
    programs.mkdir(parents=True)
    (folder / "fiftyone" / "__init__.py").write_text("raise ImportError('not to be imported')\n")
    if script is not None:
        program = programs / "mongod"
        program.write_text(script)
        program.chmod(0o755)
    return folder
