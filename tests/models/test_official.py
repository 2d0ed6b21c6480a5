"""`pull`: both official forms, from a server on localhost with seeded files."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from fileserver import Server, serving
from onnx import TensorProto, helper
from seeded import write_seeded_checkpoint

from curate.errors import ModelError
from curate.models import official
from curate.models.checkpoint import CHECKPOINTS
from curate.models.download import Remote
from curate.models.official import pull
from curate.models.pack import ModelPack, cache_dir, find_pack
from curate.models.session import open_session

GAZE = next(c for c in CHECKPOINTS if c.role == "gaze")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def gaze_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest network stands for all: what is tested is the way of a file, not its content."""
    monkeypatch.setattr(official, "CHECKPOINTS", (GAZE,))


@pytest.fixture(scope="session")
def gaze_file(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pytest.importorskip("torch", reason="torch is needed to make checkpoints")
    return write_seeded_checkpoint(shared, GAZE.tag, tmp_path_factory.mktemp("pt") / "gaze.pt").read_bytes()


def pull_from(server: Server, form: official.Form = "pt") -> ModelPack:
    return pull("libreface", accept_license=True, form=form, base_url=server.url, attempts=2, pause=0.01)


def no_half_files() -> bool:
    return not [p for p in cache_dir().rglob("*") if ".part" in p.name]


def test_licence_must_be_accepted_before_anything_is_sent(server: Server) -> None:
    with pytest.raises(ModelError, match="non-profit") as caught:
        pull("libreface", accept_license=False, base_url=server.url)
    assert caught.value.hint.endswith("--accept-license")
    assert server.requests == []
    assert not (cache_dir() / "models").exists()


def test_other_packs_cannot_be_pulled() -> None:
    with pytest.raises(ModelError, match="nothing to pull for face-mesh"):
        pull("face-mesh", accept_license=True)


def test_all_official_checkpoints_become_the_pack(
    server: Server, seeded_weights: Path, seeded_pack: Path
) -> None:
    for checkpoint in CHECKPOINTS:
        if checkpoint.release == "0.2.0":
            server.files[f"/{checkpoint.tag}.pt"] = (seeded_weights / checkpoint.path).read_bytes()
    pack = pull_from(server)
    assert pack.folder == find_pack("libreface").folder == cache_dir() / "models" / "libreface"
    pack.verify()
    assert set(pack.networks) == {"au", "au_intensity", "au_presence", "expression", "gaze"}
    assert pack.fingerprint == ModelPack.open(seeded_pack).fingerprint
    assert no_half_files()


@pytest.mark.usefixtures("gaze_only")
def test_nothing_is_downloaded_twice(server: Server, gaze_file: bytes) -> None:
    server.files["/gaze_mlp.pt"] = gaze_file
    first = pull_from(server)
    assert pull_from(server).fingerprint == first.fingerprint
    assert len(server.requests) == 1


@pytest.mark.usefixtures("gaze_only")
def test_checksum_of_the_first_download_is_recorded(server: Server, gaze_file: bytes) -> None:
    server.files["/gaze_mlp.pt"] = gaze_file
    server.script = [lambda h: server.serve(h, cut=500_000)]
    pull_from(server)
    recorded = json.loads((cache_dir() / "checksums.json").read_text())
    assert list(recorded.values()) == [hashlib.sha256(gaze_file).hexdigest()]
    assert no_half_files()


@pytest.mark.usefixtures("gaze_only")
def test_another_file_later_is_refused_in_plain_words(server: Server, gaze_file: bytes) -> None:
    server.files["/gaze_mlp.pt"] = gaze_file
    before = pull_from(server)
    target = cache_dir() / "downloads" / "libreface" / "pt" / GAZE.path
    target.unlink()
    server.files["/gaze_mlp.pt"] = gaze_file[:-1] + b"?"
    with pytest.raises(ModelError, match="first download"):
        pull_from(server)
    assert not target.exists()
    assert no_half_files()
    find_pack("libreface").verify()
    assert find_pack("libreface").fingerprint == before.fingerprint


@pytest.mark.usefixtures("gaze_only")
def test_downloaded_file_that_was_damaged_is_fetched_again(server: Server, gaze_file: bytes) -> None:
    server.files["/gaze_mlp.pt"] = gaze_file
    pull_from(server)
    target = cache_dir() / "downloads" / "libreface" / "pt" / GAZE.path
    target.write_bytes(gaze_file[:1000])
    pull_from(server).verify()
    assert target.read_bytes() == gaze_file


@pytest.mark.usefixtures("gaze_only")
def test_without_torch_the_files_are_kept_for_later(
    server: Server, gaze_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/gaze_mlp.pt"] = gaze_file
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", None)
        with pytest.raises(ModelError, match="torch") as caught:
            pull_from(server)
    assert "curate-faces[train]" in caught.value.hint
    assert not (cache_dir() / "models" / "libreface").exists()
    pull_from(server).verify()
    assert len(server.requests) == 1


@pytest.mark.usefixtures("gaze_only")
def test_file_that_is_no_such_network_is_not_kept(server: Server, gaze_file: bytes) -> None:
    pytest.importorskip("torch", reason="torch is needed to read checkpoints")
    server.files["/gaze_mlp.pt"] = b"something else of any kind"
    with pytest.raises(ModelError, match="read safely"):
        pull_from(server)
    server.files["/gaze_mlp.pt"] = gaze_file
    pull_from(server).verify()


def test_unreadable_record_of_checksums_is_a_model_error(server: Server) -> None:
    (cache_dir() / "checksums.json").write_text("{half")
    with pytest.raises(ModelError, match="checksums cannot be read"):
        pull_from(server)
    assert server.requests == []


def test_official_addresses_are_the_published_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Remote] = []

    def refuse(remote: Remote, target: Path, **how: object) -> str:
        asked.append(remote)
        raise ModelError("no network in tests")

    monkeypatch.setattr(official, "fetch", refuse)
    for form in ("pt", "onnx"):
        with pytest.raises(ModelError, match="no network"):
            pull("libreface", accept_license=True, form=form)
    drive, github = asked
    assert drive.url == (
        "https://drive.usercontent.google.com/download?id=1CbnBr8OBt8Wb73sL1ENcrtrWAFWSSRv0"
        "&export=download&confirm=t"
    )
    assert github.url.startswith("https://github.com/ihp-lab/OpenSense/raw/")
    assert github.url.endswith("/LibreFace_AU_Encoder.onnx")
    assert github.size == 44_883_922


def tiny_network(input_shape: list[int], output: str, outputs: int) -> bytes:
    """A network with the names and shapes of an official one, batch 1: the mean of the input, n times over."""
    node = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=list(range(1, len(input_shape))), keepdims=1),
        helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
        helper.make_node("Concat", ["flat"] * outputs, [output], axis=1),
    ]
    graph = helper.make_graph(
        node,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, outputs])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture
def opensense(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small stand-ins for the four files, with sums of their own."""
    content = {
        "au_encoder": tiny_network([1, 3, 224, 224], "feature", 512),
        "au_intensity_head": tiny_network([1, 512], "au_intensity", 12),
        "au_presence_head": tiny_network([1, 512], "au_presence", 12),
        "expression": tiny_network([1, 3, 224, 224], "FEs", 8),
    }
    files = []
    for file in official.OPENSENSE:
        data = content[file.role]
        server.files[f"/{file.name}"] = data
        files.append(replace(file, sha256=hashlib.sha256(data).hexdigest(), size=len(data)))
    monkeypatch.setattr(official, "OPENSENSE", tuple(files))


@pytest.mark.usefixtures("opensense")
def test_onnx_form_needs_no_torch_and_makes_a_pack(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    pack = pull_from(server, "onnx")
    pack.verify()
    assert set(pack.networks) == {"au_encoder", "au_intensity_head", "au_presence_head", "expression"}
    assert pack.network("expression").input.crop == 224
    x = np.random.default_rng(0).normal(size=(3, 3, 224, 224)).astype(np.float32)
    feature = open_session(pack, "au_encoder").run(x)["feature"]
    assert feature.shape == (3, 512)
    np.testing.assert_allclose(feature[:, 0], x.mean((1, 2, 3)), atol=1e-6)
    intensity = open_session(pack, "au_intensity_head").run(feature)["au_intensity"]
    assert intensity.shape == (3, 12)
    again = len(server.requests)
    pull_from(server, "onnx")
    assert len(server.requests) == again


@pytest.mark.usefixtures("opensense")
def test_onnx_file_that_is_not_the_published_one_is_refused(server: Server) -> None:
    name = "/LibreFace_FE.onnx"
    server.files[name] = server.files[name][:-1] + b"?"
    with pytest.raises(ModelError, match="the file that OpenSense published"):
        pull_from(server, "onnx")
    assert not (cache_dir() / "models" / "libreface").exists()
    assert no_half_files()


@pytest.mark.usefixtures("gaze_only", "opensense")
def test_one_form_takes_the_place_of_the_other(server: Server, gaze_file: bytes) -> None:
    server.files["/gaze_mlp.pt"] = gaze_file
    assert set(pull_from(server).networks) == {"gaze"}
    assert "au_encoder" in pull_from(server, "onnx").networks
    assert set(pull_from(server).networks) == {"gaze"}
    find_pack("libreface").verify()
