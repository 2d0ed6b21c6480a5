"""Score sets at URLs are read through a mirror in the user's cache."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import polars as pl
import pytest
import scoresets
from filelock import FileLock
from s3server import Bucket
from typer.testing import CliRunner

import curate
import curate.mirror
from curate.app import app
from curate.choosing import apply
from curate.decisions import decide
from curate.errors import InputError
from curate.place import Remote, place_of
from curate.shards import list_shards

NAMES = [f"{i}.png" for i in range(40)]


@pytest.fixture
def local(tmp_path: Path) -> Path:
    return scoresets.write_set(tmp_path / "local.scores", NAMES, scoresets.scores(len(NAMES)))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Two thirds of the faces, more or less."""
    path = tmp_path / "hot.yaml"
    path.write_text("description: the hot ones\nwhere:\n  - temperature > 50\n")
    return path


@pytest.fixture
def far(s3: Bucket, local: Path) -> str:
    return upload(s3, local)


def upload(bucket: Bucket, folder: Path, key: str = "sets/far.scores") -> str:
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.put(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"{bucket.url}/{key}"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that were fetched."""
    names: list[str] = []
    download = Remote.download

    def noted(self: Remote, target: Path) -> None:
        names.append(self.name)
        download(self, target)

    monkeypatch.setattr(Remote, "download", noted)
    return names


def test_a_set_at_a_url_has_the_rows_that_it_has_in_a_folder(far: str, local: Path) -> None:
    opened = curate.open_scores(far)
    assert opened.read().equals(curate.open_scores(local).read())
    assert (str(opened.place), opened.location, opened.name) == (far, far, "far.scores")
    assert opened.beside("x") == Path.cwd() / "x"


def test_only_what_has_changed_is_fetched_again(
    s3: Bucket, far: str, local: Path, fetched: list[str]
) -> None:
    curate.open_scores(far)
    assert sorted(fetched) == ["manifest.json", "part-000000.parquet"]
    assert fetched[-1] == "manifest.json"
    fetched.clear()
    curate.open_scores(far)
    assert fetched == []
    scoresets.write_set(local, ["new.png"], scoresets.scores(1))
    upload(s3, local)
    assert "new.png" in "".join(curate.open_scores(far).read()["image"])
    # The shard was put there again, but it is what it was; the etag says so.
    assert sorted(fetched) == ["manifest.json", "part-000001.parquet"]
    s3.delete("sets/far.scores/part-000000.parquet")
    assert curate.open_scores(far).read().height == 1


def test_what_the_mirror_lost_comes_back(far: str, fetched: list[str]) -> None:
    folder = curate.open_scores(far).folder
    fetched.clear()
    list_shards(folder)[0].write_bytes(b"cut off")
    (folder / "part-000007.parquet").write_bytes(b"nobody's")
    assert curate.open_scores(far).read().height == len(NAMES)
    assert fetched == ["part-000000.parquet"]
    (folder.parent / "mirror.json").write_text("{")
    curate.open_scores(far)
    shutil.rmtree(folder)
    assert curate.open_scores(far).read().height == len(NAMES)


def test_a_new_copy_takes_away_those_that_nobody_has_read_for_long(
    s3: Bucket, far: str, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    homes = {}
    for name in ("old", "held", "recent"):
        homes[name] = curate.open_scores(upload(s3, local, f"sets/{name}.scores")).folder.parent
    for name in homes:
        long_ago = time.time() - (20 if name == "recent" else 31) * 86_400
        os.utime(homes[name] / "mirror.json", (long_ago, long_ago))
    with FileLock(homes["held"] / ".lock"):
        made = curate.open_scores(far)
    assert [name for name, home in homes.items() if (home / f"{name}.scores").exists()] == ["held", "recent"]
    assert made.read().height == len(NAMES)
    assert curate.mirror.size_of_mirrors()[0] == 3
    # What went comes back; and nothing goes where no new copy is made.
    held = homes["held"] / "mirror.json"
    curate.open_scores(far)
    assert held.is_file()
    assert curate.open_scores(f"{s3.url}/sets/old.scores").read().height == len(NAMES)
    assert not held.is_file()


def test_reading_a_copy_keeps_it(s3: Bucket, far: str, local: Path) -> None:
    state = curate.open_scores(far).folder.parent / "mirror.json"
    os.utime(state, (0, 0))
    curate.open_scores(far)
    assert time.time() - state.stat().st_mtime < 60


def test_doctor_says_how_large_the_copies_are(far: str) -> None:
    curate.open_scores(far)
    ran = CliRunner().invoke(app, ["doctor", "--json"])
    found = [f for f in json.loads(ran.stdout) if f["what"] == "copies of sets at URLs"]
    assert "MB; those that nobody reads for 30 days go" in found[0]["detail"]


def test_nothing_but_a_sets_own_files_is_fetched(s3: Bucket, far: str) -> None:
    for key in (
        ".lock",
        "part-000000.parquet.damaged",
        "huge.bin",
        "deep/part-000000.parquet",
        "_rejected/../../x",
    ):
        s3.put(f"sets/far.scores/{key}", b"x")
    folder = curate.open_scores(far).folder
    assert {path.name for path in folder.rglob("*")} == {"manifest.json", "part-000000.parquet"}


def test_a_chosen_set_comes_with_what_was_rejected(
    s3: Bucket, local: Path, tmp_path: Path, recipe: Path
) -> None:
    chosen = apply(recipe, local, tmp_path / "keep.scores").folder
    assert chosen is not None
    folder = curate.open_scores(upload(s3, chosen)).folder
    assert (folder / "_rejected" / "part-000000.parquet").is_file()
    assert (folder / "recipe.yaml").read_bytes() == (chosen / "recipe.yaml").read_bytes()


def test_a_choice_from_a_set_at_a_url_says_so_and_can_be_repeated(
    far: str, tmp_path: Path, recipe: Path
) -> None:
    from curate.choosing import repeat

    chosen = apply(recipe, far, tmp_path / "keep.scores").folder
    assert chosen is not None
    assert json.loads((chosen / "manifest.json").read_text())["choice"]["source"]["folder"] == far
    again = repeat(chosen, tmp_path / "again.scores").folder
    assert again is not None
    assert curate.open_scores(again).read().equals(curate.open_scores(chosen).read())


def test_nothing_is_decided_in_a_mirror(far: str) -> None:
    opened = curate.open_scores(far)
    keys = opened.read().select("sha256", "face").rows()
    # The app knows the folder alone.
    for folder in (opened.folder, curate.open_scores(opened.folder).folder):
        with pytest.raises(InputError, match="cannot be written to a set at a URL") as error:
            decide(folder, keys[:1], "accept")
        assert error.value.where == far
        assert "copy" in error.value.hint


@pytest.mark.parametrize("below", ["nothing.scores", "sets"])
def test_a_url_with_no_score_set_is_said(s3: Bucket, far: str, below: str) -> None:
    with pytest.raises(InputError, match="no such score set") as error:
        curate.open_scores(f"{s3.url}/{below}")
    assert error.value.where == f"{s3.url}/{below}"
    assert error.value.hint == f"curate score SOURCE -o {s3.url}/{below}"


def test_a_set_that_changes_while_it_is_fetched_is_said(
    s3: Bucket, far: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = curate.mirror._listed

    def vanishing(place: Remote) -> dict[str, tuple[int, str]]:
        found = listed(place)
        s3.delete("sets/far.scores/part-000000.parquet")
        return found

    monkeypatch.setattr(curate.mirror, "_listed", vanishing)
    with pytest.raises(InputError, match="changed while it was read"):
        curate.open_scores(far)


@pytest.mark.parametrize(
    "command",
    [
        ["show", "{far}"],
        ["show", "{far}", "--status"],
        ["stats", "{far}", "--against", "{local}"],
        ["query", "{far}", "temperature > 20", "-o", "found.csv"],
        ["apply", "hot.yaml", "{far}", "-o", "keep.scores"],
        ["recipes", "check", "hot.yaml", "{far}"],
        ["report", "{far}"],
        ["export", "{far}", "out", "--to", "csv"],
    ],
    ids=lambda command: command[0],
)
def test_commands_take_a_url(
    command: list[str], far: str, local: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe.parent)
    said = CliRunner().invoke(app, [part.format(far=far, local=local) for part in command])
    no_pictures = command[0] == "report"  # these rows have none to show
    assert said.exit_code == (3 if no_pictures else 0), said.output
    assert "cache" not in said.output
    assert "s3:/test" not in said.output
    assert not (tmp_path / "s3:").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["apply", "balanced-expressions", "{local}", "-o", "{far}"],
        ["export", "{local}", "{far}", "--to", "csv"],
        ["query", "{local}", "true", "-o", "{far}"],
        ["report", "{local}", "-o", "{far}"],
    ],
    ids=lambda command: command[0],
)
def test_commands_that_write_folders_say_so_of_a_url(command: list[str], local: Path) -> None:
    url = "s3://bucket/out.scores"
    said = CliRunner().invoke(app, [part.format(far=url, local=local) for part in command])
    assert isinstance(said.exception, InputError), said.output
    assert said.exception.where == url
    assert "only `curate score` writes to a URL" in said.exception.message
    with pytest.raises(InputError, match="only `curate score`"):
        apply("balanced-expressions", local, url)


def test_a_set_is_written_to_a_url_and_goes_on_there(s3: Bucket, pictures: Path) -> None:
    out = f"{s3.url}/made.scores"
    first = curate.score(str(pictures), out, scorers=["fake"], workers=1)
    assert str(first.folder) == out
    assert s3.keys() == ["made.scores/manifest.json", "made.scores/part-000000.parquet"]
    (pictures / "new.png").write_bytes((pictures / "0.png").read_bytes() + b"more")
    second = curate.score(str(pictures), out, scorers=["fake"], workers=1)
    assert (first.scored, second.scored, second.kept) == (6, 1, 6)
    rows = curate.open_scores(out).read()
    assert rows.height == 7
    assert json.loads(s3.get("made.scores/manifest.json"))["inputs"] == 7


def test_a_set_at_a_url_keeps_the_users_own_tables(
    s3: Bucket, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetched: list[str]
) -> None:
    from curate.recipes.affect import SHIPPED

    mine, out = tmp_path / "mine.yaml", f"{s3.url}/made.scores"
    mine.write_text(SHIPPED.read_text("utf-8").replace("name: russell-mehrabian", "name: mine"), "utf-8")
    curate.score(str(pictures), out, scorers=["fake"], workers=1, affect=str(mine))
    mine.unlink()
    fetched.clear()
    assert curate.score(str(pictures), out, scorers=["fake"], workers=1).scored == 0
    assert fetched[0] == "affect.yaml"
    manifest = curate.open_scores(out).manifest
    assert manifest.affect is not None
    assert manifest.affect.name == "mine"


def test_a_set_at_a_url_belongs_to_its_source(s3: Bucket, pictures: Path, tmp_path: Path) -> None:
    out = f"{s3.url}/made.scores"
    curate.score(str(pictures), out, scorers=["fake"], workers=1)
    other = tmp_path / "other"
    shutil.copytree(pictures, other)
    with pytest.raises(InputError, match="was made from"):
        curate.score(str(other), out, scorers=["fake"], workers=1)
    s3.put("something.scores/else.txt", b"x")
    with pytest.raises(InputError, match="not a score set"):
        curate.score(str(pictures), f"{s3.url}/something.scores", scorers=["fake"], workers=1)


@pytest.mark.parametrize("url", ["hf://datasets/me/faces/a.scores", "https://example.com/a.scores"])
def test_a_place_that_can_only_be_read_is_refused_before_anything_is_done(url: str, pictures: Path) -> None:
    with pytest.raises(InputError, match="cannot be written there") as error:
        curate.score(str(pictures), url, scorers=["fake"], workers=1)
    assert error.value.where == url


def test_a_shard_is_read_as_it_lies_there(far: str) -> None:
    from curate.shards import read_keys, read_shard

    path = list_shards(place_of(far))[0]
    _, keys = read_keys(path)
    assert keys.equals(read_shard(path).select("image", "sha256", "status"))
    assert keys["image"].dtype == pl.String
