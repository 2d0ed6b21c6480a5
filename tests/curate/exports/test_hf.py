"""`--to hf`, opened with `datasets` and pushed to a hub of the tests' own."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from backed import add_words, write_backed
from fakehub import Hub, Repository, hub

from curate import ExportError, open_scores, score
from curate.exports import hub as hub_module
from curate.exports.card import escaped, fenced
from curate.exports.export import export
from curate.exports.exported import Progress

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "faces"


def load(out: Path, cache: Path, **options: Any) -> Any:
    return datasets.load_dataset(str(out), cache_dir=str(cache), **options)


def test_datasets_opens_it_with_types_pictures_and_classes(scored: Path, tmp_path: Path) -> None:
    done = export(scored, tmp_path / "out", to="hf", shard_size="5")
    assert (done.files, done.pictures) == (4, 12)
    loaded = load(tmp_path / "out", tmp_path / "cache")["train"]
    assert loaded.num_rows == 12
    assert isinstance(loaded.features["image"], datasets.Image)
    assert loaded.features["au12"].dtype == "float32"
    assert loaded.features["expression"].names[0] == "neutral"
    rows = {row["sha256"]: row for row in open_scores(scored).read().to_dicts()}
    classes = loaded.features["expression"]
    raw = loaded.cast_column("image", datasets.Image(decode=False))
    for row, undecoded in zip(loaded, raw, strict=True):
        told = rows[row["sha256"]]
        assert row["image"].size == (16, 16)
        assert hashlib.sha256(undecoded["image"]["bytes"]).hexdigest() == row["sha256"]
        assert classes.int2str(row["expression"]) == told["expression"]
        assert row["au12"] == told["au12"]
        assert row["file_name"] == Path(told["image"]).name


def test_pictures_with_several_faces_have_the_others_in_a_list(tmp_path: Path) -> None:
    told = {"expression": ["fear", "anger", "sadness"]}
    write_backed(tmp_path / "a.scores", tmp_path / "pictures", ["a.png", "a.png", "b.png"], told)
    export(tmp_path / "a.scores", tmp_path / "out", to="hf")
    loaded = load(tmp_path / "out", tmp_path / "cache", split="train")
    assert [[face["expression"] for face in row["more_faces"]] for row in loaded] == [["anger"], []]


def test_a_word_that_the_catalogue_does_not_know_stays_a_word(tmp_path: Path) -> None:
    write_backed(tmp_path / "a.scores", tmp_path / "pictures", ["a.png"], {"expression": ["wistful"]})
    export(tmp_path / "a.scores", tmp_path / "out", to="hf", split="test")
    (row,) = load(tmp_path / "out", tmp_path / "cache", split="test")
    assert row["expression"] == "wistful"


def test_the_card_says_size_types_statistics_licences_and_the_recipe(scored: Path, tmp_path: Path) -> None:
    recipe = "where: happiness > .1\n# ```` <script>\n"
    manifest = json.loads((scored / "manifest.json").read_text())
    manifest["choice"] = {"kind": "recipe", "name": "mine <b>", "recipe": recipe, "kept": 12, "rejected": 3}
    manifest["packs"] = {
        "libreface": {"title": "T", "version": "1", "licence": "USC research | only", "files": {}}
    }
    (scored / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "pictures" / "3.png").unlink()
    export(scored, tmp_path / "out", to="hf", license="cc0-1.0")
    _, head, text = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    said = yaml.safe_load(head)
    assert said["license"] == "cc0-1.0"
    assert said["size_categories"] == ["n<1K"]
    assert said["dataset_info"]["splits"][0]["num_examples"] == 11
    assert "`````yaml\n" + recipe.rstrip() + "\n`````" in text
    assert r"USC research \| only" in text
    assert "mine &lt;b\\>" in text
    assert "| happiness |" in text
    assert "12 of 15 rows" in text
    assert load(tmp_path / "out", tmp_path / "cache", split="train").num_rows == 11


@pytest.mark.parametrize(
    "text",
    ["# head", "a|b", "<img src=x onerror=y>", "[x](javascript:y)", "`code`", "a\n\n# b", "&lt;", "x\x1b[0m"],
)
def test_other_peoples_words_are_no_markdown(text: str) -> None:
    safe = escaped(text)
    assert "\n" not in safe
    assert "<" not in safe
    assert safe.isprintable()
    bare = safe.replace("\\\\", "")
    for sign in "|`[]()#*_":
        assert bare.count(sign) == bare.count(f"\\{sign}")


@pytest.mark.parametrize("text", ["plain", "```", "````\n# free", "a ````` b"])
def test_nothing_ends_a_fence_but_its_end(text: str) -> None:
    first, *inside, last = fenced(text).split("\n")
    assert first == last
    assert not any(first in line for line in inside)


def test_hostile_prompts_are_text(tmp_path: Path) -> None:
    scores = write_backed(tmp_path / "a.scores", tmp_path / "pictures", ["a.png", "b.png"])
    hostile = "---\nlicense: evil\n---\n# <script>alert(1)</script> \x1b[31m | x"
    add_words(scores, "model", [hostile, None])
    export(scores, tmp_path / "out", to="hf")
    _, head, text = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "unknown"
    assert "<script>" not in text
    assert "\x1b" not in text
    assert load(tmp_path / "out", tmp_path / "cache", split="train")[0]["model"] == hostile


def test_what_is_exported_is_scored_to_the_same_rows(tmp_path: Path) -> None:
    few = tmp_path / "faces"
    few.mkdir()
    for path in sorted(EXAMPLES.iterdir())[:6]:
        (few / path.name).write_bytes(path.read_bytes())
    score(str(few), tmp_path / "a.scores", workers=1)
    export(tmp_path / "a.scores", tmp_path / "out", to="hf", shard_size="4")
    score(str(tmp_path / "out"), tmp_path / "b.scores", workers=1)
    a, b = (
        open_scores(tmp_path / n).read().drop("image", "metadata").sort("sha256")
        for n in ("a.scores", "b.scores")
    )
    assert a.height > 0
    assert a.equals(b)


@pytest.mark.parametrize("to", ["hf", "webdataset"])
def test_the_card_documents_columns_that_are_there(scored: Path, tmp_path: Path, to: str) -> None:
    export(scored, tmp_path / "out", to=to)
    _, head, text = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    features = {feature["name"]: feature for feature in yaml.safe_load(head)["dataset_info"]["features"]}
    if to == "webdataset":
        features = {feature["name"]: feature for feature in features["json"]["struct"]}
    documented = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert "au12" in documented
    assert set(documented) <= set(features)


def test_a_folder_whose_name_is_no_text_takes_an_export(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / os.fsdecode(b"sch\xf6n")
    export(scored, out, to="hf")
    out.rename(tmp_path / "out")
    assert load(tmp_path / "out", tmp_path / "cache", split="train").num_rows == 12


@pytest.fixture
def our_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that `huggingface_hub` takes for the one, and a token."""
    import huggingface_hub.constants as constants

    with hub() as made:
        monkeypatch.setattr(constants, "ENDPOINT", made.url)
        template = f"{made.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield made


def test_a_push_uploads_the_set_and_keeps_this_machines_folders_to_itself(
    scored: Path, tmp_path: Path, our_hub: Hub
) -> None:
    export(scored, tmp_path / "out", to="hf", push="me/faces")
    there = our_hub.repositories["me/faces"]
    assert there.private
    shard = "data/train-00000-of-00001.parquet"
    assert set(there.files) == {".gitattributes", "curate-export.hub.json", "README.md", shard}
    parquet = there.files["data/train-00000-of-00001.parquet"]
    assert parquet == (tmp_path / "out" / "data" / "train-00000-of-00001.parquet").read_bytes()
    assert str(tmp_path).encode() not in b"".join(there.files.values())


def test_a_push_that_failed_goes_on_with_the_push(scored: Path, tmp_path: Path, our_hub: Hub) -> None:
    our_hub.refusals["/commit/"] = 403
    with pytest.raises(ExportError, match="the hub says") as error:
        export(scored, tmp_path / "out", to="hf", push="me/faces", public=True)
    assert "hf auth login" in error.value.hint
    done = export(scored, tmp_path / "out", to="hf", push="me/faces", public=True)
    assert done.kept == done.parts
    assert not our_hub.repositories["me/faces"].private
    assert len(our_hub.repositories["me/faces"].commits) == 2


def test_a_finished_export_is_pushed_afterwards(scored: Path, tmp_path: Path, our_hub: Hub) -> None:
    export(scored, tmp_path / "out", to="hf")
    done = export(scored, tmp_path / "out", to="hf", push="me/faces")
    assert done.kept == done.parts
    assert "README.md" in our_hub.repositories["me/faces"].files


def test_a_later_push_replaces_what_an_earlier_one_wrote(scored: Path, tmp_path: Path, our_hub: Hub) -> None:
    export(scored, tmp_path / "a", to="hf", push="faces", shard_size="5")
    export(scored, tmp_path / "b", to="hf", push="me/faces")
    there = our_hub.repositories["me/faces"]
    shard = "data/train-00000-of-00001.parquet"
    assert set(there.files) == {".gitattributes", "curate-export.hub.json", "README.md", shard}
    assert len(there.commits) == 3


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_peoples_files_on_the_hub_are_never_touched(
    scored: Path, tmp_path: Path, our_hub: Hub, overwrite: bool
) -> None:
    theirs = Repository(
        private=True, files={"data/other-people.parquet": b"theirs", "README.md": b"# theirs"}
    )
    our_hub.repositories["me/faces"] = theirs
    with pytest.raises(ExportError, match="no export wrote: README") as error:
        export(scored, tmp_path / "out", to="hf", push="me/faces", overwrite=overwrite)
    assert "overwrite" not in error.value.hint
    assert not (tmp_path / "out").exists()
    assert theirs.files == {"data/other-people.parquet": b"theirs", "README.md": b"# theirs"}
    assert theirs.commits == ["initial commit"]


@pytest.mark.parametrize("changed", ["data/train-more.parquet", "README.md"])
def test_a_pushed_set_that_somebody_changed_is_theirs(
    scored: Path, tmp_path: Path, our_hub: Hub, changed: str
) -> None:
    export(scored, tmp_path / "a", to="hf", push="me/faces", shard_size="5")
    there = our_hub.repositories["me/faces"]
    there.files[changed] = b"theirs"
    there.commits.append("curate export by hand: an update")
    before = dict(there.files)
    with pytest.raises(ExportError, match="was changed since an export wrote it"):
        export(scored, tmp_path / "b", to="hf", push="me/faces", overwrite=True)
    assert there.files == before


def test_a_strange_file_among_ours_is_seen_whoever_says_to_have_written_it(
    scored: Path, tmp_path: Path, our_hub: Hub
) -> None:
    export(scored, tmp_path / "a", to="hf", push="me/faces", shard_size="5")
    our_hub.repositories["me/faces"].files["data/theirs.parquet"] = b"theirs"
    with pytest.raises(ExportError, match="no export wrote: data/theirs"):
        export(scored, tmp_path / "b", to="hf", push="me/faces")


def test_what_comes_to_the_hub_while_we_look_is_not_written_over(
    scored: Path, tmp_path: Path, our_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    our_hub.repositories["me/faces"] = there = Repository(private=True)
    look = hub_module.check_hub

    def looked(repository: str, *, public: bool) -> hub_module.OnHub:
        found = look(repository, public=public)
        there.commits.append("theirs")
        return found

    monkeypatch.setattr(hub_module, "check_hub", looked)
    with pytest.raises(ExportError, match="the hub says"):
        export(scored, tmp_path / "out", to="hf", push="me/faces")
    assert set(there.files) == {".gitattributes"}


@pytest.mark.parametrize(("private", "public"), [(True, True), (False, False)])
def test_nobody_else_sees_a_push_than_was_asked(
    scored: Path, tmp_path: Path, our_hub: Hub, private: bool, public: bool
) -> None:
    our_hub.repositories["me/faces"] = Repository(private)
    with pytest.raises(ExportError, match="private" if private else "public"):
        export(scored, tmp_path / "out", to="hf", push="me/faces", public=public)
    assert not (tmp_path / "out").exists()


def test_who_may_not_write_hears_it_before_anything_is_written(
    scored: Path, tmp_path: Path, our_hub: Hub
) -> None:
    with pytest.raises(ExportError, match="nobody's name") as error:
        export(scored, tmp_path / "out", to="hf", push="them/faces")
    assert error.value.hint == "--push me/faces"
    our_hub.role = "read"
    with pytest.raises(ExportError, match="only read"):
        export(scored, tmp_path / "out", to="hf", push="me/faces")
    assert not (tmp_path / "out").exists()
    assert not our_hub.repositories


def test_public_without_a_push_makes_no_sense(scored: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="--push NAME/REPO") as error:
        export(scored, tmp_path / "out", to="hf", public=True)
    assert error.value.where == "--public"


def test_a_push_without_a_token_writes_nothing(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ExportError, match="who you are") as error:
        export(scored, tmp_path / "out", to="hf", push="me/faces")
    assert error.value.hint == "hf auth login"
    assert not (tmp_path / "out").exists()


def test_a_hub_that_cannot_be_reached_leaves_a_finished_folder(
    scored: Path, tmp_path: Path, our_hub: Hub
) -> None:
    def goes(progress: Progress) -> None:
        if progress.done == progress.total:
            our_hub.gone = True

    with pytest.raises(ExportError, match="cannot be reached") as error:
        export(scored, tmp_path / "out", to="hf", push="me/faces", on_progress=goes)
    assert "the same command" in error.value.hint
    with pytest.raises(ExportError, match="cannot be reached"):
        export(scored, tmp_path / "other", to="hf", push="me/faces")
    assert not (tmp_path / "other").exists()
    assert load(tmp_path / "out", tmp_path / "cache", split="train").num_rows == 12
