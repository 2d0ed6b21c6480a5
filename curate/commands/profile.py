"""`curate models profile`."""

from __future__ import annotations

import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.output import JsonFlag, Output, QuietFlag

if TYPE_CHECKING:
    from curate.models.profile import Alignment, Record
    from curate.models.session import Device
    from curate.profiling.whole import Whole

# The packs whose networks a scorer of the same name runs.
_PACKS = ("lite", "libreface")


class OnDevice(StrEnum):
    cpu = "cpu"
    cuda = "cuda"


def profile(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[PACK]", help="lite or libreface; those that are here if left out."),
    ] = None,
    faces: Annotated[
        Path | None,
        typer.Option(
            help="Pictures like yours, 200 or more at best [default: the examples of a checkout].",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many of them, taken evenly.")] = 200,
    device: Annotated[
        OnDevice, typer.Option(help="cpu: bfloat16, int8, Winograd. cuda: float16.")
    ] = OnDevice.cpu,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Measure the networks in every precision, here and on your faces, and choose what `--profile fast` takes.

    A network becomes int8 (on a GPU: float16) only where that is faster and passes the gate: at most 1 % of its labels
    change, and intensities differ by at most 0.02 of 5 in the mean. The files are kept in the cache, beside the packs.
    LibreFace's fast alignment passes the same gate and its carried mesh one of 1 degree, or `exact`'s are taken.

    Examples:

      curate models profile

      curate models profile libreface --faces ./my_faces
    """
    # As in the workers: one thread. Read when NumPy is imported, which is below.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    import cv2

    from curate.errors import ModelError
    from curate.models.pack import list_packs
    from curate.profiling.faces import example_faces, faces_in
    from curate.profiling.pack import ENOUGH_FACES, profile_pack
    from curate.profiling.whole import compare_whole

    cv2.setNumThreads(1)
    output = Output(json, quiet)
    here = [pack.name for pack in list_packs() if pack.name in _PACKS]
    if name is not None and name not in _PACKS:
        raise ModelError("this pack has no profiles", where=name, hint=f"choose from: {', '.join(here)}")
    # A pack that was asked for and is not here says itself how it is had.
    names = here if name is None else [name]
    found = faces_in(faces or example_faces(), limit)
    records, wholes = [], []
    where: Device = "cuda" if device is OnDevice.cuda else "cpu"
    for pack in names:
        records.append(profile_pack(pack, found, where, lambda at: output.plain(f"measuring {at}")))
        if device is OnDevice.cpu:
            wholes.append(compare_whole(pack, found[1::2]))
    output.data(
        {
            "records": [record.model_dump(mode="json") for record in records],
            "whole": [asdict(whole) for whole in wholes],
        }
    )
    for record in records:
        _tell(record, output)
    _tell_whole(wholes, output)
    measured_on = min(record.faces for record in records)
    if measured_on < ENOUGH_FACES:
        output.text(
            f"warning: {measured_on} faces are few for the gate, one label more or less decides; "
            f"--faces FOLDER with {2 * ENOUGH_FACES} or more says more"
        )
    output.hint(f"curate score FOLDER --scorers mesh,quality,{names[-1]} --profile fast", "Next:  ")


def _tell(record: Record, output: Output) -> None:
    output.text("")
    output.plain(f"{record.pack} on {record.processor}, errors on {record.faces} faces")
    rows = [
        (
            m.role,
            m.precision,
            "" if m.ms is None else f"{m.ms:.2f}",
            _share(m.label_flips),
            _share(m.presence_flips),
            "" if m.mean is None else f"{m.mean:.4f}",
            "" if m.p99 is None else f"{m.p99:.3f}",
            "taken" if record.chosen[m.role].precision == m.precision else m.problem,
        )
        for m in record.measured
    ]
    numbers = ["ms a face", "labels flip", "presences flip", "AU, mean", "AU, p99"]
    output.table(["network", "precision", *numbers, ""], rows, right=numbers, fold=[""])
    for scorer, alignment in record.alignment.items():
        _tell_alignment(scorer, alignment, output)


def _tell_alignment(scorer: str, found: Alignment, output: Output) -> None:
    gaze = "" if found.gaze is None else f"{found.gaze:.2f}"
    flips = (_share(found.label_flips), _share(found.presence_flips), f"{found.mean:.4f}", f"{found.p99:.3f}")
    rows = [("fast alignment", *flips, "", found.problem or "taken")]
    if found.gaze is not None or found.gaze_problem:
        rows.append(("carried mesh", "", "", "", "", gaze, found.gaze_problem or "taken"))
    numbers = ["labels flip", "presences flip", "AU, mean", "AU, p99", "gaze, degrees"]
    output.table([f"{scorer}, instead of exact", *numbers, ""], rows, right=numbers, fold=[""])


def _tell_whole(wholes: list[Whole], output: Output) -> None:
    if not wholes:
        return
    output.plain("From faces to answers, with everything else that `fast` changes:")
    rows = [
        (
            w.scorer,
            f"{w.exact_ms:.1f}",
            f"{w.fast_ms:.1f}",
            f"{w.exact_ms / w.fast_ms:.2f}",
            _share(w.label_flips),
            _share(w.presence_flips),
            f"{w.mean:.4f}",
            f"{w.p99:.3f}",
        )
        for w in wholes
    ]
    numbers = ["exact, ms", "fast, ms", "times", "labels flip", "presences flip", "AU, mean", "AU, p99"]
    output.table(["scorer", *numbers], rows, right=numbers)


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
