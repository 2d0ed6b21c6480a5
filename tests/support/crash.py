"""Kills an export at one call of the operating system after another, and looks whether the next run mends it.

    python crash.py SCORES FOLDER FROM STEP FORMAT BEFORE

Only children touch data, so that each is forked from a process without threads. Prints how many points there were.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from pathlib import Path

from trees import tree

from curate.exports.export import export

CALLS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
OPTIONS: dict[str, dict[str, object]] = {
    "folder": {"by": "expression", "sidecar": True, "mode": "hardlink"},
    "webdataset": {"shard_size": "5"},
}


def child(scores: Path, out: Path, format: str, overwrite: bool, dies_at: int | None) -> int:
    """Export in a process of its own, which ends without a word at its so-manieth call in `out`; its exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    calls = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal calls
        inside = event in CALLS and any(str(out) in str(told) for told in arguments)
        written = event != "open" or (
            len(arguments) > 2 and int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR)
        )
        if inside and written:
            if calls == dies_at:
                os._exit(77)
            calls += 1

    try:
        if dies_at is not None:
            sys.addaudithook(count)
        export(scores, out, to=format, overwrite=overwrite, **OPTIONS[format])  # type: ignore[arg-type]
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def without_times(folder: Path) -> dict[str, bytes]:
    """The files of an export; of its manifest what does not tell of its own making."""
    found = tree(folder)
    said = json.loads(found["curate-export.json"])
    told = {name: value for name, value in said.items() if name not in ("created", "finished")}
    return found | {"curate-export.json": json.dumps(told).encode()}


def main() -> None:
    """Die at every so-manieth call; exit code 1 where a run after it does not mend it."""
    scores, folder = map(Path, sys.argv[1:3])
    point, step = map(int, sys.argv[3:5])
    format, before = sys.argv[5], sys.argv[6] == "yes"
    out, whole, old = folder / "crashed" / "out", folder / "whole" / "out", folder / "old"
    assert child(scores, whole, format, False, None) == 0
    if before:
        other = next(name for name in OPTIONS if name != format)
        assert child(scores, old, other, False, None) == 0
    points = 0
    while True:
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        if before:
            shutil.copytree(old, out)
        code = child(scores, out, format, before, point)
        if code == 0:
            break
        assert code == 77, f"call {point}: exit code {code}"
        finished = (out / "curate-export.json").exists() and not (
            out / ".curate-export" / "journal.jsonl"
        ).exists()
        if not finished or before:
            assert child(scores, out, format, before, None) == 0, f"call {point}: not mended"
        elif (out / ".curate-export").exists():
            assert child(scores, out, format, before, None) == 0, f"call {point}: not cleared up"
        assert not (out / ".curate-export").exists(), f"call {point}: something is left"
        assert without_times(out) == without_times(whole), f"call {point}: not the same"
        points += 1
        point += step
    print(points)


if __name__ == "__main__":
    main()
