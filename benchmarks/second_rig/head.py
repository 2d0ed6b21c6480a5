"""The head made fine enough to render: one step of subdivision, normals, and what every vertex is made of."""

from __future__ import annotations

import cv2
import numpy as np
import scipy.sparse as sp

from .model import LEFT_EYE, LOWER_TEETH, RIGHT_EYE, SKIN, THIN_LASHES, UPPER_TEETH, Model

EYES = (LEFT_EYE, RIGHT_EYE)
EYEBALL = 0.985  # of the radius of the coarse eye, which stands a little proud of its lids


class Head:
    """The refined mesh of a model.

    `triangles` and `uv_triangles` (F, 3) int32 index the fine vertices and `uv` (T, 2); `part` (F,) is the
    model's. `solid` (F,) bool are the triangles that hide what is behind them: all but the lashes. Per fine
    vertex: `rest` (N, 3) float32, its place on the base head; `eye` (N, 3), its direction from the centre of
    its eyeball, else 0; `scalp` (N,) 0 to 1, how far hair may lift it: skin, but not the ears.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        quads, part = model.quads, model.part
        self._smooth, fine = catmull_clark(quads, len(model.vertices))
        # The teeth are too coarse a mesh: smoothed, they would shrink to pegs.
        self._teeth = np.unique(fine[np.isin(np.repeat(part, 4), (UPPER_TEETH, LOWER_TEETH))])
        self._flat_teeth = catmull_clark(quads, len(model.vertices), smooth=False)[0][self._teeth]
        uv_smooth, uv_fine = catmull_clark(model.uv_quads, len(model.uv), smooth=False)
        self.triangles, self.uv_triangles = halves(fine), halves(uv_fine)
        self.part = np.tile(np.repeat(part, 4), 2)
        self.solid = self.part < THIN_LASHES
        self.uv = (uv_smooth @ model.uv).astype("f4")
        self.rest = (self._smooth @ model.vertices).astype("f4")

        self._coarse_eye = {eye: model.of_part(eye) for eye in EYES}
        self._fine_eye = {eye: np.unique(fine[np.repeat(part, 4) == eye]) for eye in EYES}
        self.eye = np.zeros((len(self.rest), 3), "f4")
        for eye in EYES:
            out = self.rest[self._fine_eye[eye]] - model.vertices[self._coarse_eye[eye]].mean(0)
            self.eye[self._fine_eye[eye]] = out / np.linalg.norm(out, axis=1, keepdims=True)

        self._masks = {name: mask.astype("f4") / 255 for name, mask in model.masks.items()}
        # MakeHuman's mask stops at the ear's outline; hair must keep clear of it.
        self._masks["ears"] = cv2.GaussianBlur(cv2.dilate(self._masks["ears"], np.ones((31, 31))), (0, 0), 3)
        on_skin = self.part == SKIN
        # A vertex has several texture coordinates where the texture has a seam.
        ear = np.zeros(len(self.rest), "f4")
        cover = self.mask("ears", self.uv)[self.uv_triangles[on_skin]]
        np.maximum.at(ear, self.triangles[on_skin].ravel(), cover.ravel())
        ear *= np.abs(self.rest[:, 0]) > 0.6
        self.scalp = np.isin(np.arange(len(self.rest)), self.triangles[on_skin]) * (1 - ear)

    def mask(self, name: str, uv: np.ndarray) -> np.ndarray:
        """The mask's values (n,) float32, 0 to 1, at texture coordinates (n, 2)."""
        mask = self._masks[name]
        size = len(mask)
        row, column = ((1 - uv[:, 1]) * size).astype(int), (uv[:, 0] * size).astype(int)
        return mask[np.clip(row, 0, size - 1), np.clip(column, 0, size - 1)]

    def eye_centre(self, vertices: np.ndarray) -> np.ndarray:
        """The point between the eyes (3,), for coarse vertices (V, 3)."""
        return np.concatenate([vertices[self._coarse_eye[eye]] for eye in EYES]).mean(0)

    def refine(self, vertices: np.ndarray) -> np.ndarray:
        """Coarse vertices (V, 3) to fine ones (N, 3) float32, with round eyeballs."""
        fine = (self._smooth @ vertices).astype("f4")
        fine[self._teeth] = self._flat_teeth @ vertices
        for eye in EYES:  # subdivision and identity targets have made them lopsided
            coarse = vertices[self._coarse_eye[eye]]
            centre = coarse.mean(0)
            radius = np.linalg.norm(coarse - centre, axis=1).mean()
            out = fine[self._fine_eye[eye]] - centre
            direction = out / np.linalg.norm(out, axis=1, keepdims=True)
            fine[self._fine_eye[eye]] = centre + direction * radius * EYEBALL
        return fine

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """Unit normals (N, 3) of fine vertices (N, 3), weighted by the areas of the triangles."""
        a, b, c = (vertices[self.triangles[:, k]] for k in range(3))
        flat = np.cross(b - a, c - a)
        total = np.zeros_like(vertices)
        for corner in self.triangles.T:
            for axis in range(3):
                total[:, axis] += np.bincount(corner, flat[:, axis], len(vertices))
        return total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-9)


def halves(quads: np.ndarray) -> np.ndarray:
    """Every quad's two triangles: all first halves, then all second ones."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype("i4")


def catmull_clark(quads: np.ndarray, count: int, smooth: bool = True) -> tuple[sp.csr_matrix, np.ndarray]:
    """One step of Catmull-Clark subdivision of a mesh of `count` vertices.

    Returns the matrix that makes the fine vertices out of the coarse ones (first the old vertices, then one an
    edge, then one a quad) and the fine quads, four in a row for every old one. Without `smooth` nothing moves:
    edges and quads are halved where they are.
    """
    n_quads = len(quads)
    sides = np.sort(np.stack([quads, np.roll(quads, -1, 1)], 2).reshape(-1, 2), 1)
    edges, side = np.unique(sides, axis=0, return_inverse=True)
    n_edges = len(edges)
    of_quad, of_edge = np.repeat(np.arange(n_quads), 4), np.repeat(np.arange(n_edges), 2)

    centres = sp.csr_matrix((np.full(n_quads * 4, 0.25), (of_quad, quads.ravel())), (n_quads, count))
    middles = sp.csr_matrix((np.full(n_edges * 2, 0.5), (of_edge, edges.ravel())), (n_edges, count))
    if smooth:
        old, new = _smooth_rules(quads, edges, side.ravel(), count, centres, middles)
    else:
        old, new = sp.identity(count), middles

    edge = count + side.reshape(-1, 4)
    centre = count + n_edges + np.arange(n_quads)
    corners = [np.stack([quads[:, k], edge[:, k], centre, edge[:, (k - 1) % 4]], 1) for k in range(4)]
    return sp.vstack([old, new, centres]).tocsr(), np.stack(corners, 1).reshape(-1, 4)


def _smooth_rules(
    quads: np.ndarray,
    edges: np.ndarray,
    side: np.ndarray,
    count: int,
    centres: sp.csr_matrix,
    middles: sp.csr_matrix,
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Catmull and Clark's matrices of the old vertices and of the edges; open borders become B-splines."""
    n_quads, n_edges = len(quads), len(edges)
    of_quad, of_edge = np.repeat(np.arange(n_quads), 4), np.repeat(np.arange(n_edges), 2)

    uses = np.bincount(side, minlength=n_edges)
    inner = uses == 2
    edge_quads = sp.csr_matrix((1 / uses[side], (side, of_quad)), (n_edges, n_quads))
    inside = sp.diags(inner.astype(float))
    new = inside @ (0.5 * middles + 0.5 * (edge_quads @ centres)) + (sp.identity(n_edges) - inside) @ middles

    valence = np.bincount(edges.ravel(), minlength=count).astype(float)
    valence[valence == 0] = 1
    each = sp.diags(1 / valence)
    vertex_quads = _mean_of(sp.csr_matrix((np.ones(n_quads * 4), (quads.ravel(), of_quad)), (count, n_quads)))
    vertex_edges = sp.csr_matrix((np.ones(n_edges * 2), (edges.ravel(), of_edge)), (count, n_edges))
    old = each @ (vertex_quads @ centres + 2 * (each @ vertex_edges) @ middles)
    old = old + sp.diags((valence - 3) / valence)

    border = ~inner
    on_border = np.zeros(count, bool)
    on_border[edges[border].ravel()] = True
    border_edges = (np.ones(border.sum() * 2), (edges[border].ravel(), np.repeat(np.flatnonzero(border), 2)))
    along = _mean_of(sp.csr_matrix(border_edges, (count, n_edges)))
    open_rule = 0.5 * sp.identity(count) + 0.5 * along @ middles
    outside = sp.diags(on_border.astype(float))
    return (sp.identity(count) - outside) @ old + outside @ open_rule, new


def _mean_of(members: sp.csr_matrix) -> sp.csr_matrix:
    """Rows of ones to rows that average; empty rows stay empty."""
    return sp.diags(1 / np.maximum(np.asarray(members.sum(1)).ravel(), 1)) @ members
