"""`--to folder`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from curate.exports.export import export


def test_pictures_are_copied_under_their_names(scored: Path, tmp_path: Path) -> None:
    done = export(scored, tmp_path / "out", to="folder")
    assert (done.pictures, done.complete) == (12, True)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(
        [f"{i}.png" for i in range(12)] + ["curate-export.files.jsonl", "curate-export.json"]
    )
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "out").glob("*.png")}
    assert len(digests) == 12
