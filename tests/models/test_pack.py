"""Packs: found, written, verified."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from curate.errors import ModelError
from curate.models import pack as module
from curate.models.pack import (
    Input,
    Licence,
    ModelPack,
    Network,
    Output,
    cache_dir,
    find_pack,
    list_packs,
    write_pack,
)


def make(folder: Path, content: bytes = b"weights", version: str = "1", title: str = "A test") -> ModelPack:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.onnx").write_bytes(content)
    (folder / "NOTICE.txt").write_text("thanks")
    return write_pack(
        folder,
        name=folder.name,
        title=title,
        version=version,
        licence=Licence(name="CC0-1.0", summary="anything goes: ünïcode too"),
        source="made up",
        training_data="none",
        accuracy="none",
        networks={
            "net": Network(
                file="net.onnx",
                input=Input(size=(224, 224), resize=256, resample="bilinear", crop=224),
                outputs={"out": Output(labels=("a", "b"), range=(0, 1), activation="sigmoid", factor=5)},
            )
        },
        other_files={"NOTICE.txt": "notice"},
    )


def test_card_says_what_was_written(tmp_path: Path) -> None:
    written = make(tmp_path / "test")
    read = ModelPack.open(tmp_path / "test")
    assert read == written
    assert read.network("net").outputs["out"].factor == 5
    assert read.path("net") == tmp_path / "test" / "net.onnx"
    assert {name: file.role for name, file in read.files.items()} == {
        "net.onnx": "network",
        "NOTICE.txt": "notice",
    }
    read.verify()
    with pytest.raises(ValidationError):
        read.title = "changed"


def test_card_is_the_same_every_time(tmp_path: Path) -> None:
    first = (make(tmp_path / "a" / "test").folder / "card.yaml").read_bytes()
    assert (make(tmp_path / "b" / "test").folder / "card.yaml").read_bytes() == first
    assert str(tmp_path).encode() not in first


def test_fingerprint_follows_files_and_version_but_not_prose_or_place(tmp_path: Path) -> None:
    base = make(tmp_path / "a" / "test").fingerprint
    assert make(tmp_path / "b" / "test", title="Other words").fingerprint == base
    assert make(tmp_path / "c" / "test", version="2").fingerprint != base
    assert make(tmp_path / "d" / "test", content=b"other weights").fingerprint != base


def test_users_pack_comes_before_the_shipped_one(tmp_path: Path) -> None:
    shipped = find_pack("face-mesh")
    assert cache_dir() not in shipped.folder.parents
    own = make(cache_dir() / "models" / "face-mesh")
    assert find_pack("face-mesh").folder == own.folder
    make(cache_dir() / "models" / "aardvark")
    assert [pack.name for pack in list_packs()] == ["aardvark", "face-mesh", "lite"]


def test_missing_pack_says_how_to_get_it() -> None:
    with pytest.raises(ModelError, match="libreface is not installed") as caught:
        find_pack("libreface")
    assert caught.value.hint == "curate models pull libreface"


def test_cache_is_the_platforms_own_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURATE_CACHE")
    assert cache_dir().is_absolute()
    assert "curate" in cache_dir().parts[-1] or "curate" in cache_dir().parts[-2]


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("", "not a table"),
        ("- a list", "not a table"),
        ("name: [", "cannot be read"),
        ("name: test", "does not make sense"),
        ("folder: /elsewhere", "does not make sense"),
    ],
)
def test_broken_card_is_a_model_error(card: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text(card)
    with pytest.raises(ModelError, match=words):
        ModelPack.open(tmp_path)


def test_card_cannot_name_a_file_outside_its_folder(tmp_path: Path) -> None:
    folder = make(tmp_path / "test").folder
    card = (folder / "card.yaml").read_text()
    (folder / "card.yaml").write_text(card.replace("net.onnx", "../net.onnx"))
    with pytest.raises(ModelError, match="does not make sense"):
        ModelPack.open(folder)


def test_network_without_a_checksum_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "test").folder
    card = (folder / "card.yaml").read_text()
    (folder / "card.yaml").write_text(card.replace("file: net.onnx", "file: other.onnx"))
    with pytest.raises(ModelError, match=r"other\.onnx"):
        ModelPack.open(folder)


def test_folder_without_a_card_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no card\.yaml"):
        ModelPack.open(tmp_path)


def test_unknown_network_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no network `gaze`, only net"):
        make(tmp_path / "test").path("gaze")


@pytest.mark.parametrize("harm", ["missing", "longer", "changed"])
def test_damage_names_the_file_and_the_cure(harm: str, tmp_path: Path) -> None:
    pack = make(tmp_path / "libreface")
    file = pack.path("net")
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(b"weights and more" if harm == "longer" else b"weighty")
    for look in (pack.verify, lambda: pack.verified_path("net")):
        with pytest.raises(ModelError, match=f"{harm if harm == 'missing' else 'damaged'}") as caught:
            look()
        assert caught.value.where == str(file)
        assert caught.value.hint == "curate models pull libreface"


def test_file_is_hashed_once_in_a_process_unless_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = make(tmp_path / "test")
    hashed: list[Path] = []
    real = module.sha256_of

    def counting(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(module, "sha256_of", counting)
    for _ in range(3):
        assert pack.verified_path("net") == tmp_path / "test" / "net.onnx"
    assert len(hashed) == 1
    pack.path("net").write_bytes(b"WEIGHTS")
    with pytest.raises(ModelError, match="damaged"):
        pack.verified_path("net")
