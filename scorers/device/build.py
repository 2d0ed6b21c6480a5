"""The graphs that cut, pad, warp and scale pictures on a device; `python -m curate.scorers.device.build` writes them.

They are shipped, so that scoring needs no `onnx`, and come out byte for byte the same. Coordinates are float64,
as OpenCV and Pillow compute them; sums of grey levels are exact in float32 wherever theirs are whole numbers.

Every graph reads pictures from one flat tensor `pixels` [P, 3] uint8 in which they lie one behind the other, of
whatever sizes: `origin` [n] is the number of a picture's first pixel, `stride` [n] the pixels from one of its rows
to the next, `size` [n, 2] its width and height.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curate.scorers.device.tape import Tape, Value

if TYPE_CHECKING:
    from onnx import ModelProto

FOLDER = Path(__file__).with_name("graphs")
CANDIDATES = 128
_BLOCK = 64  # OpenCV starts its sums anew every 64 columns
_STEPS = 32  # of a pixel, in OpenCV's source coordinates
_BISECTIONS = 24  # 256 / 2**24: how finely the median is found


class _Pictures:
    """The inputs that say where pictures lie, and the look-up of their pixels."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.pixels = tape.input("pixels", np.uint8, "P", 3)
        self._origin = tape.input("origin", np.float64, "n").reshape(-1, 1, 1)
        self._stride = tape.input("stride", np.float64, "n").reshape(-1, 1, 1)
        size = tape.input("size", np.float64, "n", 2)
        self.width, self.height = (size.column(i).reshape(-1, 1, 1) for i in (0, 1))

    def blocks(self) -> Callable[[Value, Value], Value]:
        """As `levels`, of a picture of blocks, each averaged as OpenCV's INTER_AREA does; the edge again outside.

        `block_x` and `block_y` [k] are the places in a block, `share` one over their number, and `halves_up` is 1
        where halves are rounded up (blocks of 2 by 2) and 0 where they become even. `size` counts blocks.
        """
        tape = self.tape
        across, down = (
            tape.input(name, np.float64, "k").reshape(1, 1, 1, -1) for name in ("block_x", "block_y")
        )
        share, halves_up = (tape.input(name, np.float32, 1) for name in ("share", "halves_up"))
        side = tape.input("side", np.float64, 1)

        def block(x: Value, y: Value) -> Value:
            inside_x, inside_y = x.least(self.width - 1).most(0), y.least(self.height - 1).most(0)
            column, row = inside_x.unsqueeze(3) * side + across, inside_y.unsqueeze(3) * side + down
            index = (self._origin.unsqueeze(3) + row * self._stride.unsqueeze(3) + column).cast(np.int32)
            found = tape.op("Gather", self.pixels, index, axis=0, dtype=np.uint8).cast(np.float32)
            mean = tape.op("ReduceSum", found, tape.constant([3], np.int64), keepdims=0) * share
            return (mean + 0.5).floor() * halves_up + mean.round() * (
                tape.constant(1, np.float32) - halves_up
            )

        return block

    def levels(self, x: Value, y: Value, *, black: bool) -> Value:
        """float32 grey levels [n, rows, columns, 3] at whole coordinates; outside black, or the edge again."""
        inside_x, inside_y = x.least(self.width - 1).most(0), y.least(self.height - 1).most(0)
        index = (self._origin + inside_y * self._stride + inside_x).cast(np.int32)
        found = self.tape.op("Gather", self.pixels, index, axis=0, dtype=np.uint8).cast(np.float32)
        if not black:
            return found
        within = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        return found * within.cast(np.float32).reshape(0, 0, -1, 1)


def square(side: int, *, black: bool, scale: float, shift: float) -> ModelProto:
    """`cv2.warpPerspective` as `warp.crop` calls it, then `* scale + shift`: [n, 3, side, side] float32.

    OpenCV rounds source coordinates to 1/32 pixel and weighs with whole numbers. `matrix` [n, 9] is the inverse.
    """
    tape = Tape("square")
    pictures = _Pictures(tape)
    matrix = tape.input("matrix", np.float64, "n", 9)
    m = [matrix.column(i).reshape(-1, 1, 1) for i in range(9)]
    place = np.arange(side, dtype=np.float64)
    start = tape.constant((place // _BLOCK * _BLOCK)[None, None, :], np.float64)
    step = tape.constant((place % _BLOCK)[None, None, :], np.float64)
    y = tape.constant(place[None, :, None], np.float64)

    def line(a: Value, b: Value, c: Value) -> tuple[Value, Value]:
        return a * start + b * y + c, a * step

    depth = line(m[6], m[7], m[8])
    w = tape.constant(_STEPS, np.float64) / (depth[0] + depth[1])
    x32, y32 = (((first + rest) * w).round() for first, rest in (line(*m[0:3]), line(*m[3:6])))
    value = _bilinear_32(lambda x, y: pictures.levels(x, y, black=black), x32, y32)
    value = value.transpose(0, 3, 1, 2) * scale
    tape.output("pictures", value + shift if shift else value, "n", 3, side, side)
    return tape.model()


def _bilinear_32(levels: Callable[[Value, Value], Value], x32: Value, y32: Value) -> Value:
    """Grey levels at coordinates in whole 32nds of a pixel, rounded as OpenCV's 15-bit weights round."""
    x, y = (x32 / _STEPS).floor(), (y32 / _STEPS).floor()
    across, down = ((a - b * _STEPS).cast(np.float32).reshape(0, 0, -1, 1) for a, b in ((x32, x), (y32, y)))
    total = None
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (across if dx else _rest(across)) * (down if dy else _rest(down))
            term = levels(x + dx, y + dy) * weight
            total = term if total is None else total + term
    assert total is not None  # noqa: S101
    return ((total + _STEPS * _STEPS // 2) / (_STEPS * _STEPS)).floor()


def _rest(share: Value) -> Value:
    return share.tape.constant(_STEPS, np.float32) - share


def glance(side: int) -> ModelProto:
    """`crop.face_crop` in grey and its mirror image: [2 n, 1, side, side] float32 in [0, 1], the mirrored ones last.

    `cv2.warpAffine` adds the two halves of a coordinate in 1024ths of a pixel; `matrix` [n, 6] is `CropPlan.source`.
    """
    tape = Tape("glance")
    pictures = _Pictures(tape)
    levels = pictures.blocks()
    matrix = tape.input("matrix", np.float64, "n", 6)
    m = [matrix.column(i).reshape(-1, 1, 1) for i in range(6)]
    x = tape.constant(np.arange(side, dtype=np.float64)[None, None, :], np.float64)
    y = tape.constant(np.arange(side, dtype=np.float64)[None, :, None], np.float64)
    half = 1024 // _STEPS // 2
    x32, y32 = (
        ((((b * y + c) * 1024).round() + half + (a * x * 1024).round()) / (1024 // _STEPS)).floor()
        for a, b, c in (m[0:3], m[3:6])
    )
    colour = _bilinear_32(levels, x32, y32)
    # OpenCV's RGB2GRAY: 15-bit weights.
    grey = (colour.column(0) * 9798 + colour.column(1) * 19235 + colour.column(2) * 3735 + 2**14) / 2**15
    seen = (grey.floor() * float(np.float32(1 / 255))).unsqueeze(1)
    backwards = tape.constant(np.arange(side)[::-1].copy(), np.int64)
    both = tape.op("Concat", seen, tape.op("Gather", seen, backwards, axis=3), axis=0)
    tape.output("pictures", both, "m", 1, side, side)
    return tape.model()


def warp(side: int) -> ModelProto:
    """Pillow's QUAD transform, bilinear, [n, side, side, 3] uint8. `quad` [n, 8] are Pillow's own coefficients."""
    tape = Tape("warp")
    pictures = _Pictures(tape)
    q = tape.input("quad", np.float64, "n", 8)
    a = [q.column(i).reshape(-1, 1, 1) for i in range(8)]
    u = tape.constant((np.arange(side) + 0.5)[None, None, :], np.float64)
    v = tape.constant((np.arange(side) + 0.5)[None, :, None], np.float64)
    xin, yin = (c[0] + c[1] * u + c[2] * v + c[3] * u * v for c in (a[:4], a[4:]))
    seen = (xin >= 0) & (xin < pictures.width) & (yin >= 0) & (yin < pictures.height)
    xin, yin = xin - 0.5, yin - 0.5
    x, y = xin.floor(), yin.floor()
    dx, dy = ((p - q).reshape(0, 0, -1, 1) for p, q in ((xin, x), (yin, y)))
    # Pillow cuts decimals off: only float64, as there, cuts off the same ones.
    rows = []
    for below in (0, 1):
        left, right = (
            pictures.levels(x + beside, y + below, black=False).cast(np.float64) for beside in (0, 1)
        )
        rows.append(left + (right - left) * dx)
    value = rows[0] + (rows[1] - rows[0]) * dy
    value = tape.where(seen.unsqueeze(3), value, 0)
    tape.output("levels", value.cast(np.uint8).reshape(-1, 3), "Q", 3)
    return tape.model()


def pad() -> ModelProto:
    """`padding.pad` of whole pictures: [n, rows, columns, 3] uint8, the frames in the upper left corners.

    `before` and `after` [n, 2] are the margins (left, top) and (right, bottom), `sigma` [n] the blur, `reach` [n]
    where it is cut off, `mass` [n] what its weights sum to. `rows` and `columns`, `picture_rows` and
    `picture_columns` count from 0, so far as the largest frame and the largest picture go.
    """
    tape = Tape("pad")
    pictures = _Pictures(tape)
    before, after = (tape.input(name, np.float64, "n", 2) for name in ("before", "after"))
    sigma, reach, mass = (
        tape.input(n, np.float64, "n").reshape(-1, 1, 1) for n in ("sigma", "reach", "mass")
    )
    rows = tape.input("rows", np.float64, "H").reshape(1, -1, 1)
    columns = tape.input("columns", np.float64, "W").reshape(1, 1, -1)
    picture_rows = tape.input("picture_rows", np.float64, "h").reshape(1, -1, 1)
    picture_columns = tape.input("picture_columns", np.float64, "w").reshape(1, 1, -1)
    left, top, right, bottom = (m.column(i).reshape(-1, 1, 1) for m in (before, after) for i in (0, 1))
    frame_width, frame_height = left + pictures.width + right, top + pictures.height + bottom

    def weights(distance: Value) -> Value:
        k = tape.op("Exp", distance * distance * (tape.constant(-0.5, np.float64) / (sigma * sigma))) / mass
        return k * (tape.op("Abs", distance) < reach + 0.5).cast(np.float64)

    # SciPy sums in float64. Here whole grey levels, or their sixteenths, times weights cut to so many bits are summed
    # without any error in float32, and what was cut off by itself: the errors that are left are those of small sums.
    inner = pictures.levels(picture_columns, picture_rows, black=True).transpose(0, 3, 1, 2)
    coarse, fine = _split(weights(rows - top - picture_rows.reshape(1, 1, -1)), 16)
    down = coarse @ inner + fine @ inner
    sixteenths = (down * 16).floor() / 16
    across = weights(columns - left - picture_columns.reshape(1, -1, 1))
    coarse, fine = _split(across, 12)
    whole = across.cast(np.float32).unsqueeze(1)
    blurred = sixteenths @ coarse + (sixteenths @ fine + (down - sixteenths) @ whole)

    def ramp(place: Value, length: Value, start: Value, end: Value) -> Value:
        near = place.cast(np.float32) / start.cast(np.float32)
        return tape.constant(1, np.float32) - near.least(
            (length - 1 - place).cast(np.float32) / end.cast(np.float32)
        )

    mask = ramp(columns, frame_width, left, right).most(ramp(rows, frame_height, top, bottom))
    mask = mask.unsqueeze(1)
    part = pictures.levels(columns - left, rows - top, black=True).transpose(0, 3, 1, 2)
    softened = (blurred - part) * (mask * 3 + 1).most(0).least(1) + part
    framed = ((columns < frame_width) & (rows < frame_height)).unsqueeze(1)
    total = (frame_width * frame_height).reshape(-1, 1)
    median = _median(tape.where(framed, softened, 1e9), ((total - 1) / 2).floor().cast(np.float32))
    faded = (median - softened) * mask.most(0).least(1) + softened
    level = faded.round().most(0).least(255).cast(np.uint8)
    tape.output("levels", level.transpose(0, 2, 3, 1).reshape(-1, 3), "Q", 3)
    return tape.model()


def _split(weights: Value, bits: int) -> tuple[Value, Value]:
    """Weights [n, r, c] as multiples of 2**-bits and the rest, [n, 1, r, c] float32 both."""
    coarse = (weights * 2**bits).floor() / 2**bits
    return coarse.cast(np.float32).unsqueeze(1), (weights - coarse).cast(np.float32).unsqueeze(1)


def _median(values: Value, rank: Value) -> Value:
    """(n, 3, 1, 1): the value [n, 3, ...] that so many [n, 1] are less than, by bisection; whole numbers exactly."""
    tape = values.tape
    low = rank * 0 + tape.constant([[0, 0, 0]], np.float32)
    width = 256.0
    for _ in range(_BISECTIONS):
        width /= 2
        middle = low + width
        less = (values < middle.reshape(0, 0, 1, 1)).cast(np.float32)
        count = tape.op("ReduceSum", less, tape.constant([2, 3], np.int64), keepdims=0)
        low = tape.where(rank >= count, middle, low)
    return low.reshape(0, 0, 1, 1)


def scale(side: int) -> ModelProto:
    """Pillow's antialiased resize of squares, then (x / 255 - mean) / std as torchvision rounds it.

    `pixels` of n squares -> [n, 3, s, s] float32. Rows first, rounded to grey levels after each direction. The weights
    [s, side] are whole numbers of 2**-22: `coarse` holds their multiples of 2**-14 and `fine` the rest, so that
    each sum is exact in float32.
    """
    tape = Tape("scale")
    planes = tape.input("pixels", np.uint8, "P", 3).reshape(-1, side, side, 3).cast(np.float32)
    coarse, fine = (tape.input(name, np.float32, "s", side) for name in ("coarse", "fine"))
    mean, std = (tape.input(name, np.float32, 3).reshape(1, 3, 1, 1) for name in ("mean", "std"))

    def rounded(coarsely: Value, finely: Value) -> Value:
        level = (coarsely + 0.5).floor()
        return (level + (coarsely + 0.5 - level + finely).floor()).most(0).least(255)

    planes = planes.transpose(0, 3, 1, 2)
    narrow = rounded(planes @ coarse.transpose(1, 0), planes @ fine.transpose(1, 0))
    small = rounded(coarse @ narrow, fine @ narrow)
    tape.output("pictures", (small / 255 - mean) / std, "n", 3, "s", "s")
    return tape.model()


def candidates(anchors: int = 896) -> ModelProto:
    """The detector's surest anchors: `score` and `anchor` [n, 128], `box` [n, 128, 16], the surest first."""
    tape = Tape("candidates")
    raw = tape.input("regressors", np.float32, "n", anchors, 16)
    logits = tape.input("classificators", np.float32, "n", anchors, 1).reshape(0, anchors)
    best, which = tape.ops(
        "TopK", logits, tape.constant([CANDIDATES], np.int64), dtypes=(np.float32, np.int64), axis=1
    )
    tape.output("score", best, "n", CANDIDATES)
    tape.output("anchor", which, "n", CANDIDATES)
    every = tape.op("Expand", which.reshape(0, 0, 1), tape.constant([1, 1, 16], np.int64))
    tape.output("box", tape.op("GatherElements", raw, every, axis=1), "n", CANDIDATES, 16)
    return tape.model()


GRAPHS: dict[str, Callable[[], ModelProto]] = {
    "look": lambda: square(128, black=True, scale=float(np.float32(2 / 255)), shift=-1.0),
    "face": lambda: square(192, black=False, scale=float(np.float32(1 / 255)), shift=0.0),
    "candidates": candidates,
    "pad": pad,
    "warp": lambda: warp(512),
    "glance": lambda: glance(96),
    "scale": lambda: scale(512),
}


def write(folder: Path = FOLDER) -> None:
    """Write every graph."""
    folder.mkdir(exist_ok=True)
    for name, make in GRAPHS.items():
        (folder / f"{name}.onnx").write_bytes(make().SerializeToString(deterministic=True))


if __name__ == "__main__":
    write()
