"""Where LibreFace's official weights are, and `pull`, which makes a pack of them.

Two forms exist. `pt`: the checkpoints that the `libreface` package loads, on Google Drive, without published
sums; they hold everything, and converting them needs torch. `onnx`: the set of the OpenSense project, with known
sums; older networks, no gaze, one picture at a time, and no torch needed. Neither place could be reached when
this was written.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curate.errors import ModelError
from curate.models.checkpoint import CHECKPOINTS, Checkpoint
from curate.models.download import Progress, Remote, fetch
from curate.models.libreface import (
    AU_INPUT,
    EXPRESSION,
    INTENSITY,
    LICENCE,
    PRESENCE,
    convert_libreface,
    write_libreface,
)
from curate.models.pack import Input, ModelPack, Network, Output, cache_dir, replacing, sha256_of

Form = Literal["pt", "onnx"]

_DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"
_OPENSENSE = "https://github.com/ihp-lab/OpenSense/raw/master/Utilities/LibreFace/{}"


@dataclass(frozen=True)
class OnnxFile:
    """One file of the OpenSense set (NuGet package LibreFace 2.0.0), and the network that it is."""

    role: str
    name: str
    sha256: str
    size: int
    input: Input
    outputs: dict[str, Output]


_FEATURE = Input(size=(512,), layout="NF", note="`feature` of the network au_encoder")
OPENSENSE = (
    OnnxFile(
        "au_encoder",
        "LibreFace_AU_Encoder.onnx",
        "2eaf01eb6dffe3b6f50f8e84eb1ecf315e332c972fd77e12187a7bb956575d8c",
        44_883_922,
        AU_INPUT,
        {"feature": Output(note="512 numbers for the two heads")},
    ),
    OnnxFile(
        "au_intensity_head",
        "LibreFace_AU_Intensity.onnx",
        "9c0c23a826e326ff6a5c9545e9792ec1624d0254588e5f3ab3bfef0e270dc374",
        289_061,
        _FEATURE,
        {"au_intensity": INTENSITY},
    ),
    OnnxFile(
        "au_presence_head",
        "LibreFace_AU_Presence.onnx",
        "a789de833cfb69a54e7706dd30a0935faa04e6a7273449ff5e564aeb61e99087",
        289_059,
        _FEATURE,
        {"au_presence": PRESENCE},
    ),
    # Unlike the checkpoints, this one wants the central 224 pixels, as the AU networks do.
    OnnxFile(
        "expression",
        "LibreFace_FE.onnx",
        "83ffa44dcdb902361685aad01097f75582126e4e512e6925d763fe5a5f42cf75",
        45_183_115,
        AU_INPUT,
        {"FEs": EXPRESSION},
    ),
)


def pull(
    name: str,
    *,
    accept_license: bool,
    form: Form = "pt",
    base_url: str | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
    attempts: int = 5,
    pause: float = 1.0,
) -> ModelPack:
    """Download the official files and make the pack `cache_dir()/models/NAME`.

    What was downloaded is kept under `cache_dir()/downloads`, so nothing is downloaded twice.

    Args:
        name: `libreface`.
        accept_license: that the user has read and accepted `LICENCE`.
        form: see the top of this module.
        base_url: a folder on another server that holds the files side by side: `TAG.pt`, with the tags of
            `CHECKPOINTS`, or the ONNX files. They are verified as if they came from the official place.
        progress, timeout, attempts, pause: see `fetch`.

    Raises:
        ModelError: the licence is not accepted; a download failed or is not the file known; or torch is missing
            for the conversion, in which case the next call starts with the conversion.
    """
    if name != "libreface":
        raise ModelError(f"there is nothing to pull for {name}", hint="curate models list")
    if not accept_license:
        raise ModelError(
            f"the weights come under the {LICENCE.name}, which has not been accepted. {LICENCE.summary}",
            where=LICENCE.url,
            hint="curate models pull libreface --accept-license",
        )
    out = cache_dir() / "models" / name
    downloads = cache_dir() / "downloads" / name / form

    def get(remote: Remote, target: Path) -> str:
        return fetch(remote, target, progress=progress, timeout=timeout, attempts=attempts, pause=pause)

    if form == "onnx":
        for file in OPENSENSE:
            url = _join(base_url, file.name) or _OPENSENSE.format(file.name)
            target = downloads / file.name
            if not _is(target, file.sha256):
                get(
                    Remote(file.name, url, file.sha256, file.size, "the file that OpenSense published"),
                    target,
                )
        return _pack_onnx(downloads, out)

    # Those of 0.2.0: the older ones are for a folder that a user still has.
    wanted = [checkpoint for checkpoint in CHECKPOINTS if checkpoint.release == "0.2.0"]
    sums = _Checksums()
    for checkpoint in wanted:
        target, known = downloads / checkpoint.path, sums.of(checkpoint)
        digest = sha256_of(target) if target.is_file() else ""
        if not digest or known not in (None, digest):
            url = _join(base_url, f"{checkpoint.tag}.pt") or _DRIVE.format(checkpoint.drive)
            origin = f"its first download, recorded in {sums.path}"
            digest = get(Remote(f"{checkpoint.tag}.pt", url, known, known_from=origin), target)
        sums.record(checkpoint, digest)
    try:
        return convert_libreface(downloads, out)
    except ModelError as wrong:
        # A file that turns out to be no such network must not stay as the one known.
        for checkpoint in wanted:
            if wrong.where == str(downloads / checkpoint.path):
                (downloads / checkpoint.path).unlink(missing_ok=True)
                sums.forget(checkpoint)
        raise


class _Checksums:
    """`cache_dir()/checksums.json`: the sha256 of files that are published without one, as first downloaded."""

    def __init__(self) -> None:
        self.path = cache_dir() / "checksums.json"
        self._known: dict[str, str] = {}
        try:
            content: Any = json.loads(self.path.read_text(encoding="utf-8"))
            self._known = {str(key): str(value) for key, value in content.items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError) as broken:
            raise ModelError(f"the checksums cannot be read: {broken}", where=str(self.path)) from broken

    def of(self, checkpoint: Checkpoint) -> str | None:
        return self._known.get(self._key(checkpoint))

    def record(self, checkpoint: Checkpoint, sha256: str) -> None:
        if self.of(checkpoint) != sha256:
            self._known[self._key(checkpoint)] = sha256
            self._write()

    def forget(self, checkpoint: Checkpoint) -> None:
        if self._known.pop(self._key(checkpoint), None) is not None:
            self._write()

    def _write(self) -> None:
        partial = self.path.with_name(self.path.name + ".part")
        partial.write_text(json.dumps(self._known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(self.path)

    @staticmethod
    def _key(checkpoint: Checkpoint) -> str:
        # The id is part of it: another id is another file, officially.
        return f"libreface/{checkpoint.path}@{checkpoint.drive}"


def _pack_onnx(downloads: Path, out: Path) -> ModelPack:
    with replacing(out) as folder:
        for file in OPENSENSE:
            try:
                os.link(downloads / file.name, folder / file.name)
            except OSError:  # no hard links here
                shutil.copyfile(downloads / file.name, folder / file.name)
        write_libreface(
            folder,
            "The ONNX files of the OpenSense project (NuGet package LibreFace 2.0.0), as they are, from "
            + _OPENSENSE.format("")
            + " (the address could not be tried when this was written).",
            {
                file.role: Network(file=file.name, input=file.input, outputs=file.outputs)
                for file in OPENSENSE
            },
        )
    return ModelPack.open(out)


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _join(base_url: str | None, name: str) -> str | None:
    return None if base_url is None else f"{base_url.rstrip('/')}/{name}"
