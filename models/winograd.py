"""Winograd's convolution F(4x4, 3x3): the answers of a 3x3 convolution in float32, with up to 4 times fewer products.

Three weights and a stretch of a line are polynomials, and their convolution a product of them: from both polynomials'
values at six points four values of the convolution can be had. (Lavin and Gray, Fast Algorithms for Convolutional
Neural Networks, 2016; the points are 0, 1, -1, 2, -2 and infinity.) On a grid of 6 x 6 such points there is one product
of matrices at each, pixels by channels, and that is what a processor does best. The way to the points and back is a
product with a constant matrix, along the rows and along the columns. Pictures lie with the batch inside, (height,
width, N, channels), so that between these steps nothing has to be moved in memory.

Rounding is some ten times that of a plain convolution: 1e-5 of the largest value. The weights take 4 times the memory.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TILE = 4
_POINTS = 6
# Along one line, to the points, for the three weights and back: y = BACK @ ((WEIGHTS @ w) * (TO @ x)).
_TO = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
_WEIGHTS = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    np.float64,
)
_BACK = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float64
)

# Where it was faster, measured on one thread (docs/profiles.md): in larger pictures, and with few channels, the ways to
# the points and back cost more than the products save, and in smaller ones much of the tiles lies outside.
_SIDES = range(7, 29)
_LEAST_CHANNELS = 96
# Up to this side one matrix for rows and columns together is faster than one for each.
_AT_ONCE = 7


def rewrite_convolutions(model: Any) -> None:
    """Change an `openvino.Model`: its 3x3 convolutions of stride 1 are computed so where that is faster.

    Other operations stay as they are, and so do inputs, outputs and their names.
    """
    import openvino.opset13 as op

    # By output of the old graph, with the batch inside: what is computed so now, and what is turned on the way there.
    moved: dict[Any, Any] = {}
    turned: dict[Any, Any] = {}
    turned_back: dict[Any, Any] = {}

    def inside(output: Any) -> Any:
        if output in moved:
            return moved[output]
        if output not in turned:
            turned[output] = _with_batch_inside(output).output(0)
        return turned[output]

    def outside(output: Any) -> Any:
        if output not in turned_back:
            turned_back[output] = op.transpose(moved[output], _ints(2, 3, 0, 1)).output(0)
            turned_back[output].set_names(output.get_names())
        return turned_back[output]

    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        sources = node.input_values()
        if kind == "Convolution" and _worth_it(node):
            weights = sources[1].get_node().data
            moved[node.output(0)] = _convolved(inside(sources[0]), weights, _side(node)).output(0)
        elif kind == "Relu" and sources[0] in moved:
            moved[node.output(0)] = op.relu(moved[sources[0]]).output(0)
        elif kind == "Add" and any(s in moved for s in sources) and all(_is_picture(s) for s in sources):
            moved[node.output(0)] = op.add(inside(sources[0]), inside(sources[1])).output(0)
        else:
            for wanted in node.inputs():
                if wanted.get_source_output() in moved:
                    wanted.replace_source_output(outside(wanted.get_source_output()))
    model.validate_nodes_and_infer_types()


def _with_batch_inside(output: Any) -> Any:
    """(N, C, H, W) to (H, W, N, C)."""
    import openvino.opset13 as op

    shape = output.get_partial_shape()
    if shape[2].get_length() == 1:
        return op.transpose(output, _ints(2, 3, 0, 1))  # a bias
    # A plain transpose would be made in OpenVINO's own order, channels last, and copied once more.
    channels, height, width = (shape[i].get_length() for i in (1, 2, 3))
    x = op.reshape(output, _ints(-1, channels, height * width), special_zero=False)
    x = op.transpose(x, _ints(2, 0, 1))
    return op.reshape(x, _ints(height, width, -1, channels), special_zero=False)


def _is_picture(output: Any) -> bool:
    """Whether this is (N, C, H, W) with all but N known."""
    shape = output.get_partial_shape()
    return shape.rank.is_static and len(shape) == 4 and all(shape[i].is_static for i in (1, 2, 3))


def _worth_it(node: Any) -> bool:
    weights = node.input_value(1)
    card = node.get_attributes()
    if weights.get_node().get_type_name() != "Constant" or tuple(weights.shape)[2:] != (3, 3):
        return False
    if any(card[name] != [1, 1] for name in ("strides", "dilations", "pads_begin", "pads_end")):
        return False
    shape = node.input_value(0).get_partial_shape()
    if not _is_picture(node.input_value(0)) or shape[2] != shape[3]:
        return False
    return _side(node) in _SIDES and min(tuple(weights.shape)[:2]) >= _LEAST_CHANNELS


def _side(node: Any) -> int:
    return int(node.input_value(0).get_partial_shape()[2].get_length())


def _convolved(x: Any, weights: NDArray[np.float32], side: int) -> Any:
    """Pictures (side, side, N, C), padded by one, convolved with weights (K, C, 3, 3): (side, side, N, K)."""
    import openvino.opset13 as op

    outputs, channels = weights.shape[:2]
    to, back = _along(side)
    tiles = to.shape[1]
    n = _POINTS * tiles
    nine = weights.transpose(2, 3, 1, 0).reshape(9, -1).astype(np.float64)
    kernels = np.kron(_WEIGHTS, _WEIGHTS) @ nine
    if side <= _AT_ONCE:
        x = op.reshape(x, _ints(side * side, -1), special_zero=False)
        x = op.matmul(_floats(np.einsum("jax,kby->jkabxy", to, to).reshape(n * n, -1)), x, False, False)
        x = op.reshape(x, _ints(_POINTS, _POINTS, -1, channels), special_zero=False)
        x = op.matmul(x, _floats(kernels.reshape(_POINTS, _POINTS, channels, outputs)), False, False)
        x = op.reshape(x, _ints(n * n, -1), special_zero=False)
        x = op.matmul(_floats(np.einsum("xja,ykb->xyjkab", back, back).reshape(-1, n * n)), x, False, False)
    else:
        to, back = to.reshape(n, side), back.reshape(side, n)
        x = op.reshape(x, _ints(side, -1), special_zero=False)
        x = op.matmul(_floats(to), x, False, False)
        x = op.reshape(x, _ints(n, side, -1), special_zero=False)
        x = op.matmul(_floats(to), x, False, False)
        x = op.reshape(x, _ints(_POINTS, tiles, _POINTS, -1, channels), special_zero=False)
        x = op.matmul(x, _floats(kernels.reshape(_POINTS, 1, _POINTS, channels, outputs)), False, False)
        x = op.reshape(x, _ints(n, n, -1), special_zero=False)
        x = op.matmul(_floats(back), x, False, False)
        x = op.reshape(x, _ints(n, -1), special_zero=False)
        x = op.matmul(_floats(back), x, False, False)
    return op.reshape(x, _ints(side, side, -1, outputs), special_zero=False)


def _ints(*values: int) -> Any:
    import openvino.opset13 as op

    return op.constant(np.array(values, np.int64))


def _floats(values: NDArray[np.float64]) -> Any:
    import openvino.opset13 as op

    return op.constant(np.ascontiguousarray(values, np.float32))


@lru_cache(maxsize=8)
def _along(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """To the points of a line of `side` pixels, (6, tiles, side), and back from them, (side, 6, tiles).

    Padding, and what the last tile has beyond the end, are left out: they are zeros.
    """
    tiles = -(-side // _TILE)
    to, back = np.zeros((_POINTS, tiles, side)), np.zeros((side, _POINTS, tiles))
    for tile in range(tiles):
        start = _TILE * tile
        for i in range(_POINTS):
            if 0 <= start - 1 + i < side:
                to[:, tile, start - 1 + i] = _TO[:, i]
        for i in range(min(_TILE, side - start)):
            back[start + i, :, tile] = _BACK[i]
    return to, back
