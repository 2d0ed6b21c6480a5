from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import polars.testing
import pytest
from PIL import Image
from s3server import Bucket

from curate import InputError, ModelError, open_scores, score, score_images
from curate.images import DEFAULT_SCORERS
from curate.scorers.decode import decode
from curate.scorers.lite import Lite
from curate.scoring import Scoring

FACES = sorted((Path(__file__).parents[2] / "examples" / "faces").glob("*.*"))
# What a file is known by; everything else follows from its pixels.
OF_FILES = ("image", "sha256", "format")


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"faces": "all", "landmarks": True}])
def test_rows_are_those_of_a_score_set_to_the_last_bit(tmp_path: Path, options: dict[str, str]) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for path in FACES[:6]:
        (folder / path.name).write_bytes(path.read_bytes())
    pair = Image.new("RGB", (512, 256))
    for i, path in enumerate(FACES[6:8]):
        pair.paste(Image.open(path).convert("RGB").resize((256, 256)), (256 * i, 0))
    (folder / "pair.jpg").write_bytes(jpeg(pair))
    (folder / "cut.png").write_bytes(FACES[0].read_bytes()[:2000])
    (folder / "tiny.jpg").write_bytes(jpeg(pair.resize((30, 30))))
    (folder / "empty.jpg").write_bytes(jpeg(Image.new("RGB", (80, 80))))
    score(str(folder), tmp_path / "x.scores", scorers=DEFAULT_SCORERS, workers=1, **options)  # type: ignore[arg-type]
    kept = open_scores(tmp_path / "x.scores").read().drop("decision")
    paths = sorted(folder.iterdir())

    for groups in ([paths], [[path] for path in paths]):
        rows = pl.concat([score_images(group, **options) for group in groups])  # type: ignore[arg-type]
        polars.testing.assert_frame_equal(rows.drop("item"), kept, check_exact=True)
        assert rows.drop("item").schema == kept.schema
    assert kept["status"].n_unique() == 4


def test_paths_bytes_images_and_arrays_have_the_same_scores() -> None:
    path = FACES[2]
    pixels = decode(path.read_bytes()).pixels
    rows = score_images([path, str(path), path.read_bytes(), Image.open(path), pixels, pixels.copy()])
    assert rows["item"].to_list() == list(range(6))
    assert rows["item"].dtype == pl.UInt32
    assert rows["image"].to_list() == [str(path)] * 2 + [None] * 4
    assert rows["sha256"].is_null().to_list() == [False] * 3 + [True] * 3
    assert rows["format"].to_list() == ["png"] * 3 + [None] * 3
    of_pixels = rows.drop("item", *OF_FILES)
    assert of_pixels.unique().height == 1
    assert rows["temperature"].null_count() == 0


def turned(image: Image.Image) -> Image.Image:
    exif = Image.Exif()
    exif[0x0112] = 6
    return Image.open(io.BytesIO(jpeg(image.rotate(90, expand=True), exif=exif)))


@pytest.mark.parametrize(
    "make",
    [
        turned,
        lambda image: image.convert("L"),
        lambda image: Image.merge("RGBA", (*image.split(), image.getchannel(0))),
        lambda image: image.convert("P"),
        lambda image: Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257),
    ],
    ids=["turned by EXIF", "grey", "alpha", "palette", "16 bits"],
)
def test_images_count_as_the_decoder_would_have_them(make: Callable[[Image.Image], Image.Image]) -> None:
    image = make(Image.open(FACES[3]).convert("RGB"))
    file = io.BytesIO()
    image.save(file, "PNG", exif=image.getexif())
    rows = score_images([file.getvalue(), image])
    assert rows["status"].to_list() == ["ok", "ok"]
    assert rows.drop("item", *OF_FILES).unique().height == 1


def test_whatever_is_wrong_is_said_in_the_row_of_the_picture() -> None:
    cut = FACES[0].read_bytes()[:3000]
    wrong = {
        "there is no picture": None,
        "not a picture: int": 7,
        "the file is empty": b"",
        "no such file": "/nowhere/at/all.png",
        "this is a folder": FACES[0].parent,
        "the picture is damaged or ends too early": Image.open(io.BytesIO(cut)),
        "the picture is too large: 12000 x 12000": Image.new("1", (12000, 12000)),
        "an array of float32 (8, 8, 3); (H, W, 3) uint8 RGB is wanted": np.zeros((8, 8, 3), np.float32),
        "an array of uint8 (8, 8); (H, W, 3) uint8 RGB is wanted": np.zeros((8, 8), np.uint8),
        "no face was found": np.zeros((64, 64, 3), np.uint8),
        "20 x 64 pixels; a face needs at least 32 x 32": np.zeros((64, 20, 3), np.uint8),
        "an array of uint8 (0, 64, 3)": np.zeros((0, 64, 3), np.uint8),
    }
    rows = score_images([*wrong.values(), FACES[0]])
    assert rows["item"].to_list() == list(range(len(wrong) + 1))
    for reason, said in zip(wrong, rows["error"], strict=False):
        assert said.startswith(reason), (reason, said)
    statuses = rows["status"].to_list()
    assert statuses[5:7] == ["unreadable", "too_large"]
    assert statuses[9:] == ["no_face", "too_small", "unreadable", "ok"]
    assert rows["temperature"].null_count() == len(wrong)


def test_all_faces_of_a_picture_have_its_item() -> None:
    a, b = (np.asarray(Image.open(path).convert("RGB").resize((320, 320))) for path in FACES[:2])
    rows = score_images([None, np.concatenate([a, b], axis=1), a], faces="all")
    assert rows["item"].to_list() == [0, 1, 1, 2]
    assert rows["face"].to_list() == [None, 0, 1, 0]


def test_a_scorer_that_fails_costs_the_picture_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Lite.score

    def fails(self: Lite, faces: list[object]) -> object:
        if any(face.width == 300 for face in faces):  # type: ignore[attr-defined]
            raise ZeroDivisionError("of course")
        return inside(self, faces)  # type: ignore[arg-type]

    monkeypatch.setattr(Lite, "score", fails)
    odd = Image.open(FACES[1]).resize((300, 300))
    rows = score_images([FACES[0], odd, FACES[2]])
    assert rows["status"].to_list() == ["ok", "crashed", "ok"]
    assert rows["error"][1] == "ZeroDivisionError: of course"
    assert rows["au12"].is_null().to_list() == [False, True, False]


def test_an_empty_batch_has_every_column_and_no_row() -> None:
    none = score_images([])
    assert none.height == 0
    assert none.schema == score_images(FACES[:1]).schema


@pytest.mark.parametrize(
    "one",
    ["face.png", FACES[0], b"\x89PNG", Image.new("RGB", (64, 64)), np.zeros((64, 64, 3), np.uint8), None],
)
def test_a_picture_is_not_a_batch(one: object) -> None:
    with pytest.raises(InputError, match="batch"):
        score_images(one)  # type: ignore[arg-type]


def test_what_cannot_be_asked_for_is_said() -> None:
    with pytest.raises(InputError, match="did you mean `quality`"):
        score_images([], scorers=["qualty"])
    with pytest.raises(InputError, match="both fill the column au01"):
        score_images([], scorers=["mesh", "lite", "fake"])
    with pytest.raises(InputError, match="did you mean `largest`"):
        score_images([], faces="larges")  # type: ignore[arg-type]


def test_a_missing_model_is_an_error_with_the_command_that_brings_it() -> None:
    with pytest.raises(ModelError) as caught:
        score_images(FACES[:1], scorers=["mesh", "libreface"])
    assert caught.value.hint == "curate models pull libreface"


def test_models_are_opened_once_whoever_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    inside = Scoring.open
    monkeypatch.setattr(Scoring, "open", lambda self: opened.append(self) or inside(self))  # type: ignore[func-returns-value]
    with ThreadPoolExecutor(4) as threads:
        # A choice of scorers that no other test takes.
        found = list(
            threads.map(lambda path: score_images([path], scorers=["lite", "mesh"]), [FACES[4], FACES[5]] * 4)
        )
    assert len(opened) == 1
    assert all(found[i].equals(found[i % 2]) for i in range(8))


FORKED = """
import os, sys
from curate import CurateError, score_images
faces = sys.argv[2:]
if sys.argv[1] == "used":
    score_images(faces)
child = os.fork()
if not child:
    try:
        rows = score_images(faces)
        print(*rows["status"], flush=True)
    except CurateError as error:
        print(error, error.hint, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(*score_images(faces)["status"])
"""


@pytest.mark.parametrize(("before", "said"), [("new", "ok"), ("used", "spawn")])
def test_a_forked_worker_opens_its_own_models_or_says_why_it_would_wait_for_ever(
    before: str, said: str
) -> None:
    command = [sys.executable, "-c", FORKED, before, str(FACES[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    child, parent = done.stdout.splitlines()
    assert said in child
    assert parent == "ok"


def test_a_picture_behind_a_url_is_the_picture(s3: Bucket) -> None:
    url = s3.put("faces/a.png", FACES[0].read_bytes())
    rows = score_images([url, f"{s3.url}/faces/b.png", FACES[0]])
    assert rows["status"].to_list() == ["ok", "unreadable", "ok"]
    assert rows["image"].to_list()[:2] == [url, f"{s3.url}/faces/b.png"]
    assert rows[0].drop("item", "image").equals(rows[2].drop("item", "image"))


def test_the_fast_profile_has_rows_of_its_own() -> None:
    exact, fast = score_images(FACES[:4]), score_images(FACES[:4], profile="fast")
    assert exact["box_x"].equals(fast["box_x"]), "the mesh is the same"
    apart = (exact["au12"] - fast["au12"]).abs()
    assert 0 < apart.max() < 0.2  # type: ignore[operator]
