"""MediaPipe's three custom TFLite operators, in standard ONNX operators, batched.

They are the "attention" of the face mesh: find a rotated square around an eye or the lips in a first set of
landmarks, cut it out of a feature map, and carry landmarks found in it back to the whole face.

A transform is a matrix M [N, 4, 4] that takes a point (x, y, 0, 1) of the cut-out, in its pixels, to a point
of the map it was cut from. Pixel (i, j) has its centre at (i + 0.5, j + 0.5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.errors import ModelError

if TYPE_CHECKING:
    from curate.models.tflite_onnx import Builder

Shape = tuple[int, ...]


def landmarks_to_transform_matrix(
    build: Builder, name: str, values: Sequence[str], shapes: Sequence[Shape], options: dict[str, Any]
) -> str:
    """Landmarks [N, L, 3] -> M [N, 4, 4] of the upright box around some of them, along the line between two.

    With u the unit vector from the left to the right landmark and v = u turned by 90 degrees, the box is the
    smallest one along (u, v) that holds the subset, enlarged by `scale_x`, `scale_y`.
    """
    if options["target_rotation_radians"] != 0:
        raise ModelError(f"{name}: a target rotation is not supported")
    width, height = options["output_width"], options["output_height"]

    def node(op: str, inputs: list[str], step: str, **attributes: Any) -> str:
        return build.add(op, inputs, f"{name}/{step}", **attributes)

    def const(value: Any, step: str, dtype: type = np.float32) -> str:
        return build.constant(value, f"{name}/{step}", dtype)

    flat = node("Gather", [values[0], const([0, 1], "xy_axes", np.int64)], "xy", axis=2)
    left = node(
        "Gather", [flat, const([options["left_rotation_idx"]], "left_index", np.int64)], "left", axis=1
    )
    right = node(
        "Gather", [flat, const([options["right_rotation_idx"]], "right_index", np.int64)], "right", axis=1
    )
    across = node("Sub", [right, left], "across")
    length = node("ReduceL2", [across], "length", axes=[2], keepdims=1)
    # Two landmarks on one point (a blank picture) must not make a NaN.
    length = node("Max", [length, const([1e-9], "tiny")], "safe_length")
    u = node("Div", [across, length], "u")
    v = node("MatMul", [u, const([[0, 1], [-1, 0]], "quarter_turn")], "v")
    rows = node("Concat", [u, v], "rows", axis=1)
    axes = node("Transpose", [rows], "axes", perm=[0, 2, 1])

    subset = np.asarray(options["subset_idxs"]).reshape(-1)
    chosen = node("Gather", [flat, const(subset, "subset_indices", np.int64)], "subset", axis=1)
    along = node("MatMul", [chosen, axes], "along")
    low = node("ReduceMin", [along], "low", axes=[1], keepdims=1)
    high = node("ReduceMax", [along], "high", axes=[1], keepdims=1)
    middle = node("Mul", [node("Add", [low, high], "sum"), const([0.5], "half")], "middle")
    centre = node("MatMul", [middle, rows], "centre")
    scale = const([options["scale_x"] / width, options["scale_y"] / height], "scale")
    pixel = node("Mul", [node("Sub", [high, low], "extent"), scale], "pixel")

    turn = node("Mul", [axes, pixel], "turn")
    half_size = const([[width / 2], [height / 2]], "half_size")
    corner = node("MatMul", [turn, half_size], "corner")
    shift = node("Sub", [node("Transpose", [centre], "centre_column", perm=[0, 2, 1]), corner], "shift")
    turn = node("Pad", [turn, const([0, 0, 0, 0, 0, 1], "one_column", np.int64)], "turn_3d")
    top = node("Concat", [turn, shift], "top", axis=2)
    padded = node("Pad", [top, const([0, 0, 0, 0, 2, 0], "two_rows", np.int64)], "padded")
    bottom = np.zeros((1, 4, 4), np.float32)
    bottom[0, 2, 2] = bottom[0, 3, 3] = 1
    return build.add("Add", [padded, const(bottom, "bottom")], name)


def transform_tensor_bilinear(
    build: Builder, name: str, values: Sequence[str], shapes: Sequence[Shape], options: dict[str, Any]
) -> str:
    """Map [N, C, H, W] and M -> the cut-out [N, C, h, w], bilinear; 0 where a sample lies outside the map."""
    _, height, width, _ = shapes[0]
    out_height, out_width = options["output_height"], options["output_width"]

    def node(op: str, inputs: list[str], step: str, **attributes: Any) -> str:
        return build.add(op, inputs, f"{name}/{step}", **attributes)

    def const(value: Any, step: str, dtype: type = np.float32) -> str:
        return build.constant(value, f"{name}/{step}", dtype)

    y, x = np.mgrid[:out_height, :out_width].reshape(2, -1) + 0.5
    affine = _affine(build, name, values[1])
    points = node("MatMul", [affine, const([x, y, np.ones_like(x)], "pixels")], "points")
    # GridSample counts from -1 at the left edge to 1 at the right edge.
    scaled = node("Mul", [points, const([[2 / width], [2 / height]], "to_unit")], "scaled")
    unit = node("Sub", [scaled, const([1.0], "one")], "unit")
    grid = node("Transpose", [unit], "grid_points", perm=[0, 2, 1])
    grid = node("Reshape", [grid, const([0, out_height, out_width, 2], "grid_shape", np.int64)], "grid")
    sampled = node(
        "GridSample", [values[0], grid], "sampled", mode="bilinear", padding_mode="zeros", align_corners=0
    )
    # GridSample fades out over half a pixel beyond the outer centres; MediaPipe stops at them.
    above = node("GreaterOrEqual", [points, const([0.5], "first_centre")], "above")
    below = node("LessOrEqual", [points, const([[width - 0.5], [height - 0.5]], "last_centre")], "below")
    inside = node("Cast", [node("And", [above, below], "both")], "inside", to=1)
    inside = node("ReduceMin", [inside], "inside_xy", axes=[1], keepdims=1)
    mask = node("Reshape", [inside, const([0, 1, out_height, out_width], "mask_shape", np.int64)], "mask")
    return build.add("Mul", [sampled, mask], name)


def transform_landmarks(
    build: Builder, name: str, values: Sequence[str], shapes: Sequence[Shape], options: dict[str, Any]
) -> str:
    """Landmarks [N, L, 2] of the cut-out and M -> landmarks [N, L, 2] of the whole."""
    if shapes[0][2] != 2:
        raise ModelError(f"{name}: only landmarks of two coordinates are supported")
    affine = _affine(build, name, values[1])
    columns = build.add("Transpose", [affine], f"{name}/columns", perm=[0, 2, 1])
    first_two = build.constant([0, 1], f"{name}/turn_rows", np.int64)
    turn = build.add("Gather", [columns, first_two], f"{name}/turn", axis=1)
    last = build.constant([2], f"{name}/shift_row", np.int64)
    shift = build.add("Gather", [columns, last], f"{name}/shift", axis=1)
    turned = build.add("MatMul", [values[0], turn], f"{name}/turned")
    return build.add("Add", [turned, shift], name)


def _affine(build: Builder, name: str, matrix: str) -> str:
    """M [N, 4, 4] -> the rows x, y and the columns x, y, 1 of it: [N, 2, 3]."""
    rows = build.constant([0, 1], f"{name}/matrix_rows", np.int64)
    columns = build.constant([0, 1, 3], f"{name}/matrix_columns", np.int64)
    top = build.add("Gather", [matrix, rows], f"{name}/matrix_top", axis=1)
    return build.add("Gather", [top, columns], f"{name}/affine", axis=2)


Operation = Callable[["Builder", str, Sequence[str], Sequence[Shape], dict[str, Any]], str]

OPERATORS: dict[str, Operation] = {
    "Landmarks2TransformMatrix": landmarks_to_transform_matrix,
    "TransformTensorBilinear": transform_tensor_bilinear,
    "TransformLandmarks": transform_landmarks,
}
