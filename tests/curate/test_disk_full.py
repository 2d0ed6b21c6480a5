from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from curate import InputError, open_scores, score
from curate.errors import CurateError
from curate.place import replacing
from curate.shards import Shard, list_shards, write_shard


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB, where one may be mounted; else a limit on the size of files does the same."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user may not mount a small file system")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_a_clear_error_and_what_was_written_still_opens(
    small_disk: Path, tmp_path: Path, pictures: Path
) -> None:
    out = small_disk / "out.scores"
    score(str(pictures), out, scorers=["fake"], workers=1)
    before = open_scores(out).read()
    (small_disk / "ballast").write_bytes(b"x" * _free(small_disk))
    for path in list(pictures.iterdir()):
        (pictures / f"turned {path.name}").write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InputError, match="no space left on device") as error:
        score(str(pictures), out, scorers=["fake"], workers=1)
    assert "goes on" in error.value.hint
    assert open_scores(out).read().equals(before)
    (small_disk / "ballast").unlink()
    assert score(str(pictures), out, scorers=["fake"], workers=1).inputs == 12


def test_a_shard_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    shard = Shard(tmp_path / "part-000000.parquet", "rows", {})
    write_shard(shard, pl.DataFrame({"image": ["old"]}))
    with pytest.raises(CurateError):
        _run_out_of_space(shard.path)
    assert pl.read_parquet(shard.path)["image"].to_list() == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == [shard.path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")
def test_a_limit_on_file_size_is_reported_like_a_full_disk(tmp_path: Path, pictures: Path) -> None:
    command = (
        "import resource, sys\n"
        "from curate.app import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "sys.argv[1:] = ['score', sys.argv[1], '-o', sys.argv[2], '--scorers', 'fake', '--workers', '1']\n"
        "main()\n"
    )
    arguments = [sys.executable, "-c", command, str(pictures), str(tmp_path / "out.scores")]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot be written: file too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list_shards(tmp_path / "out.scores") == []


def _run_out_of_space(path: Path) -> None:
    with replacing(path) as partial:
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")


def _free(folder: Path) -> int:
    import shutil

    return shutil.disk_usage(folder).free
