"""The pack `face-mesh`: MediaPipe's face detector and attention mesh, converted by us.

`convert_face_mesh` makes the folder `packs/face-mesh` that this package ships, byte for byte.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from curate.errors import ModelError
from curate.models.pack import Input, Licence, ModelPack, Network, Output, replacing, write_pack
from curate.models.tflite import read_graph
from curate.models.tflite_onnx import to_onnx

# As they lie in the wheel of mediapipe 0.10.21 (and of 0.10.5: the same bytes).
SOURCES = {
    "face_detection_short_range": "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    "face_landmark_with_attention": "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
}
_HINT = "pip download mediapipe==0.10.21 --no-deps, and give the wheel it saves"

_NOTICE = """\
The ONNX files in this folder are MediaPipe's face models

    mediapipe/modules/face_detection/face_detection_short_range.tflite
    mediapipe/modules/face_landmark/face_landmark_with_attention.tflite

from the package mediapipe 0.10.21 (https://github.com/google-ai-edge/mediapipe).

    Copyright 2019-2025 The MediaPipe Authors.

    Licensed under the Apache License, Version 2.0 (the "License"); you may not use these files except in
    compliance with the License. You may obtain a copy of the License at

        http://www.apache.org/licenses/LICENSE-2.0

    Unless required by applicable law or agreed to in writing, software distributed under the License is
    distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or
    implied. See the License for the specific language governing permissions and limitations under the
    License.

Changes: converted from TFLite to ONNX (channels first, any batch size). The weights' values are MediaPipe's.
PReLU is written as a*x + (1-a)*relu(x), and MediaPipe's three custom operators in standard ONNX operators.
Made by `curate models convert face-mesh`.
"""


def convert_face_mesh(source: Path, out: Path) -> ModelPack:
    """Make the pack `face-mesh` in the folder `out`.

    Args:
        source: the wheel of mediapipe 0.10.21, or a folder with the two `.tflite` files anywhere below it.
        out: the folder of the pack. An older pack there is replaced when the new one is whole.

    Raises:
        ModelError: a file is missing or is not the one we know, or the `convert` extra is not installed.
    """
    models = {name: _find(source, name) for name in SOURCES}
    with replacing(out) as folder:
        for name, content in models.items():
            (folder / f"{name}.onnx").write_bytes(to_onnx(read_graph(content), name))
        (folder / "NOTICE.txt").write_text(_NOTICE, encoding="utf-8", newline="\n")
        _write_card(folder)
    return ModelPack.open(out)


def _write_card(folder: Path) -> None:
    write_pack(
        folder,
        name="face-mesh",
        title="MediaPipe face detector (short range) and face mesh with attention, 478 landmarks",
        version="1",
        licence=Licence(
            name="Apache-2.0",
            url="https://www.apache.org/licenses/LICENSE-2.0",
            summary="Free to use, change and pass on, with the notice in NOTICE.txt.",
        ),
        source="The tflite files of the wheel mediapipe 0.10.21, sha256 "
        + ", ".join(f"{digest} ({name})" for name, digest in SOURCES.items())
        + ". Rebuild with: curate models convert face-mesh --from WHEEL -o FOLDER",
        training_data="Google's own; see its model cards BlazeFace (Short-Range) and Attention Mesh.",
        accuracy="On 300 generated portraits the same faces as mp.solutions.face_mesh (static, refined), and"
        " landmarks that differ by 0.001 px on average, 0.067 px at most (docs/mesh.md).",
        networks={
            "detector": Network(
                file="face_detection_short_range.onnx",
                input=Input(
                    size=(128, 128),
                    mean=(0.5, 0.5, 0.5),
                    std=(0.5, 0.5, 0.5),
                    note="the whole picture, its longer side 128, black around it",
                ),
                outputs={
                    "regressors": Output(
                        unit="px of the input",
                        note="896 anchors x (centre x, y, width, height, 6 keypoints x, y), from the anchor",
                    ),
                    "classificators": Output(note="896 anchors x 1 logit: a face"),
                },
            ),
            "landmarks": Network(
                file="face_landmark_with_attention.onnx",
                input=Input(
                    size=(192, 192),
                    mean=(0.0, 0.0, 0.0),
                    std=(1.0, 1.0, 1.0),
                    note="a square around the face, 1.5 times the detection, turned until the eyes are level",
                ),
                outputs={
                    "output_mesh_identity": Output(unit="px of the input", note="468 x (x, y, z)"),
                    "output_lips": Output(unit="px of the input", note="80 x (x, y)"),
                    "output_left_eye": Output(unit="px of the input", note="71 x (x, y)"),
                    "output_right_eye": Output(unit="px of the input", note="71 x (x, y)"),
                    "output_left_iris": Output(unit="px of the input", note="5 x (x, y)"),
                    "output_right_iris": Output(unit="px of the input", note="5 x (x, y)"),
                    "conv_faceflag": Output(note="1 logit: a face is in the square"),
                },
            ),
        },
        other_files={"NOTICE.txt": "notice"},
    )


def _find(source: Path, name: str) -> bytes:
    """The bytes of one tflite file, checked."""
    file = f"{name}.tflite"
    candidates = (
        _from_wheel(source, file)
        if source.is_file()
        else [p.read_bytes() for p in sorted(source.rglob(file))]
    )
    if not candidates:
        raise ModelError(f"there is no {file} in it", where=str(source), hint=_HINT)
    for content in candidates:
        if hashlib.sha256(content).hexdigest() == SOURCES[name]:
            return content
    raise ModelError(
        f"{file} is not the one of mediapipe 0.10.21: its sha256 differs", where=str(source), hint=_HINT
    )


def _from_wheel(wheel: Path, file: str) -> list[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return [archive.read(entry) for entry in archive.namelist() if entry.rsplit("/", 1)[-1] == file]
    except (zipfile.BadZipFile, OSError) as broken:
        raise ModelError(f"the wheel cannot be read: {broken}", where=str(wheel), hint=_HINT) from broken
