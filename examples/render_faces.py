"""Render the 32 portraits of `examples/faces` from ICT-FaceKit's MIT face model.

    python examples/render_faces.py --ict ../shared/data/ict -o examples/faces

`--ict` is a folder with `render.py` and `ict_full.npz` (the packed light model). Needs numpy, pillow and
numba; nothing else of this project. The same versions draw the same bytes every time.
"""

import argparse
import importlib.util
import math
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

AUS: dict[
    str, dict[str, float]
] = {  # EMFACS: which muscles make which face (activation 0..1 at full strength)
    "neutral": {},
    "happiness": {"AU06": 1.0, "AU12": 1.0, "AU10": 0.25},
    "sadness": {"AU01": 1.0, "AU04": 0.7, "AU15": 1.0, "AU17": 0.5},
    "surprise": {"AU01": 1.0, "AU02": 1.0, "AU05": 1.0, "AU26": 0.55},
    "fear": {"AU01": 1.0, "AU02": 0.6, "AU04": 0.8, "AU05": 1.0, "AU20": 0.9, "AU26": 0.25},
    "disgust": {"AU09": 1.0, "AU10": 0.9, "AU17": 0.6, "AU04": 0.4},
    "anger": {"AU04": 1.0, "AU05": 0.5, "AU07": 0.8, "AU24": 1.0},
    "contempt": {},
}
CONTEMPT = {
    "mouthSmile_R": 0.6,
    "mouthDimple_R": 1.0,
    "mouthPress_R": 0.5,
}  # one side only, so not in render's AUs

TONES = 5  # skin tones that render knows
SKIN = 9409 + 5015  # the first vertices of the model: face and back of the head
BACKDROPS = [  # upper and lower colour of the wall behind the sitter
    ((0.62, 0.66, 0.70), (0.36, 0.40, 0.45)),
    ((0.70, 0.66, 0.60), (0.45, 0.40, 0.36)),
    ((0.34, 0.42, 0.44), (0.20, 0.25, 0.28)),
    ((0.55, 0.60, 0.54), (0.30, 0.36, 0.32)),
    ((0.74, 0.74, 0.76), (0.52, 0.53, 0.57)),
    ((0.44, 0.38, 0.42), (0.24, 0.21, 0.26)),
]


@dataclass(frozen=True)
class Portrait:
    """One picture: who (`person` 0..7), what they show, and how the camera sees them (degrees)."""

    name: str
    person: int
    emotion: str
    strength: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    size: int = 256
    zoom: float = 0.82  # of render's own framing, which cuts the hair off
    window: tuple[int, int] | None = None  # left and top of the picture in a canvas of twice its size
    prompt: str = ""
    negative: str = ""
    model: str = "sd_xl_base_1.0"


BAD = "blurry, deformed, extra fingers, watermark"
# fmt: off
PORTRAITS = [
    # With generation metadata, as A1111 writes it. Three prompts ask for another face.
    Portrait(
        "00000-3141592653.png",
        0,
        "neutral",
        0.0,
        0,
        0,
        0,
        prompt="studio portrait of a man, neutral expression, short hair",
        negative=BAD,
    ),
    Portrait(
        "00001-3141592654.png",
        0,
        "happiness",
        0.9,
        10,
        0,
        0,
        prompt="studio portrait of a man, big happy smile, short hair",
        negative=BAD,
    ),
    Portrait(
        "00002-2718281828.png",
        1,
        "sadness",
        0.95,
        -8,
        4,
        2,
        prompt="close-up photo, (sad:1.3) young woman, teary, soft light",
        negative=BAD,
    ),
    Portrait(
        "00003-2718281829.png",
        1,
        "surprise",
        0.9,
        5,
        -3,
        0,
        prompt="close-up photo, surprised young woman, mouth open, raised eyebrows",
        negative=BAD,
    ),
    Portrait(
        "00004-1618033988.png",
        2,
        "fear",
        0.9,
        -12,
        0,
        -3,
        prompt="cinematic still, terrified person, afraid, wide eyes, horror film",
        negative="smile, happy",
    ),
    Portrait(
        "00005-1618033989.png",
        2,
        "disgust",
        0.9,
        8,
        2,
        0,
        prompt="cinematic still, person disgusted by a smell, wrinkled nose",
        negative=BAD,
    ),
    Portrait(
        "00006-0577215664.png",
        3,
        "anger",
        0.95,
        0,
        5,
        0,
        prompt="(angry man:1.2), furious, clenched jaw, dramatic lighting",
        negative="happy, smile, " + BAD,
    ),
    Portrait(
        "00007-0577215665.png",
        3,
        "contempt",
        0.9,
        14,
        0,
        0,
        model="dreamshaper_8",
        prompt="man with a contemptuous smirk, one corner of the mouth raised",
        negative=BAD,
    ),
    Portrait(
        "00008-1414213562.png",
        4,
        "neutral",
        0.0,
        -5,
        0,
        0,
        model="dreamshaper_8",
        prompt="a terrified woman screaming in fear, wide eyes",
        negative=BAD,
    ),  # asked for fear
    Portrait(
        "00009-1414213563.png",
        4,
        "happiness",
        0.5,
        -18,
        -2,
        4,
        model="dreamshaper_8",
        prompt="photo of a smiling woman, cheerful, golden hour",
        negative=BAD,
    ),
    Portrait(
        "00010-1732050807.png",
        5,
        "happiness",
        0.45,
        6,
        0,
        0,
        model="flux1-dev",
        prompt="portrait of an angry person shouting, rage",
        negative="",
    ),  # asked for anger
    Portrait(
        "00011-1732050808.png",
        5,
        "surprise",
        0.4,
        0,
        0,
        -6,
        model="flux1-dev",
        prompt="portrait of a sad person crying, grief, not smiling",
        negative="",
    ),  # asked for sadness
    # Without: StyleGAN and ComfyUI name their files like this.
    Portrait("seed0004.jpg", 6, "neutral", 0.0, 22, 0, 0, size=320),
    Portrait("seed0017.jpg", 6, "sadness", 0.5, 12, 6, 0, size=320),
    Portrait("seed0023.jpg", 6, "anger", 0.55, -15, 3, 0, size=320),
    Portrait("seed0042.jpg", 7, "fear", 0.55, 6, -4, 0, size=320),
    Portrait("seed0058.jpg", 7, "disgust", 0.5, -25, 0, 0, size=320),
    Portrait("seed0071.jpg", 7, "happiness", 1.0, 0, -6, 3, size=320),
    Portrait("seed0099.jpg", 0, "contempt", 0.55, -8, 0, 0, size=320),
    Portrait("seed0105.jpg", 0, "fear", 0.95, 18, 0, 0, size=320),
    Portrait("seed0131.jpg", 1, "happiness", 0.55, 28, 0, 0, size=320),
    Portrait("seed0166.jpg", 1, "anger", 0.9, -5, 8, 0, size=320),
    Portrait("ComfyUI_00001_.jpg", 2, "surprise", 1.0, -10, 0, 0, size=320),
    Portrait("ComfyUI_00002_.jpg", 2, "neutral", 0.0, 0, -10, 0, size=320),
    Portrait("ComfyUI_00003_.jpg", 3, "sadness", 0.9, 20, 5, -4, size=320),
    Portrait(
        "ComfyUI_00004_.jpg", 3, "happiness", 0.8, 4, 0, 25, size=320, zoom=0.72
    ),  # the head leans 25 degrees
    Portrait("ComfyUI_00005_.jpg", 4, "disgust", 0.95, 5, 0, 0, size=320),
    Portrait("ComfyUI_00006_.jpg", 4, "anger", 0.5, -20, 0, 0, size=320),
    Portrait("ComfyUI_00007_.jpg", 5, "contempt", 1.0, 0, 2, 0, size=320),
    Portrait(
        "ComfyUI_00008_.jpg", 5, "sadness", 0.6, -12, 0, 0, size=320, zoom=0.13, window=(110, 70)
    ),  # a small face
    Portrait("ComfyUI_00009_.jpg", 6, "surprise", 0.6, 0, 0, 0, size=320, zoom=1.25),  # a tight crop
    Portrait("ComfyUI_00010_.jpg", 7, "neutral", 0.0, -35, 0, 0, size=320),
]
# fmt: on


class Studio:
    """Stands in for the random generator that `render` draws its look from, so that each draw is chosen here.

    `render` tells its draws apart only by their ranges; the ones we direct are framing, colours and backdrop,
    and all others come from a generator seeded with the person or the picture.
    """

    def __init__(self, person: int, scale: float, backdrop: int, lamp: np.random.Generator) -> None:
        self._who = np.random.default_rng(700 + person)
        self._lamp = lamp
        self._person, self._scale = person, scale
        self._walls = [np.array(c) for c in BACKDROPS[backdrop % len(BACKDROPS)]]
        skin = (person * 3 + 1) % TONES
        self._light = 1.0 + 0.12 * skin  # the darker the skin, the longer the exposure
        self._choices = [skin, (person // 2) % 3, person % 3]  # skin, hair, eyes

    def integers(self, n: int) -> int:
        return self._choices.pop(0) % n

    def normal(self, mean: float, sd: float, size: tuple[int, int]) -> np.ndarray:
        return self._who.normal(mean, sd * 0.6, size)

    def uniform(self, low: float, high: float, size: int | None = None) -> Any:
        if size is not None:
            return self._walls.pop(0)
        if (low, high) == (0.92, 1.08):
            return self._scale
        if (low, high) == (0.92, 1.06):
            return float(self._who.uniform(low, high))
        bright = self._light if (low, high) in {(0.55, 0.8), (0.22, 0.35)} else 1.0
        return bright * float(self._lamp.uniform(low, high))


def load_render(folder: Path) -> Any:
    """Import render.py from `folder` and give its bald head short hair and a dark collar."""
    # Python and numba cache compiled code beside the file it comes from, and that folder is not ours.
    sys.dont_write_bytecode = True
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="render_faces-")
    spec = importlib.util.spec_from_file_location("ict_render", folder / "render.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"no render.py in {folder}")
    render: Any = importlib.util.module_from_spec(spec)
    sys.modules["ict_render"] = render
    spec.loader.exec_module(render)
    head = render.NEU
    x, y, z = head.T
    # The hairline rises over the forehead and falls behind the ears; the eyebrow mask is the one that render
    # paints in the hair's colour, so hair and collar go into it.
    hairline = np.where(z > 0, 4.5 + 5.2 * np.clip((z - 1.0) / 6.5, 0, 1) - 0.25 * np.abs(x) * (z > 4), -6.0)
    hair = np.clip((y - hairline) / 0.7, 0, 1) * (np.arange(len(head)) < SKIN)
    ears = (np.abs(x) > 7.6) & (z > -3.5) & (z < 2.5) & (y < 4.5)
    hair[ears] = 0
    collar = np.clip((-12.8 - y - 0.02 * x**2) / 0.4, 0, 1)
    render.BROW = np.maximum(render.BROW, np.maximum(hair, collar))
    # Hair stands off the skull in waves: one more identity shape, which every person wears.
    waves = 0.75 + 0.25 * np.sin(2.3 * x + 1.1 * y) * np.sin(1.7 * y - 0.9 * z)
    volume = render.normals(head) * (hair * waves * 0.9)[:, None]
    # Open mouths show teeth through the cheek unless they sit deeper.
    teeth = np.unique(render.F[render.M.index("M_Teeth") == render.FM])
    volume[teeth] = np.stack([-0.12 * x[teeth], 0 * y[teeth], np.full(len(teeth), -0.9)], axis=1)
    render.ID = np.concatenate([render.ID[:40], volume[None]]).astype("f4")
    return render


def picture(render: Any, index: int, portrait: Portrait) -> Image.Image:
    """The portrait as RGB, `portrait.size` pixels square."""
    person = np.random.default_rng(40 + portrait.person)
    ident = np.append(person.normal(0, 0.7, 40), 0.8 + 0.15 * (portrait.person % 4)).astype("f4")
    aus = {name: value * portrait.strength for name, value in AUS[portrait.emotion].items()}
    one_sided = {
        name: value * portrait.strength for name, value in CONTEMPT.items() if portrait.emotion == "contempt"
    }
    side = portrait.size * 2 if portrait.window else portrait.size
    image: Image.Image = render.render(
        aus,
        ident,
        Studio(portrait.person, portrait.zoom, index, np.random.default_rng(900 + index)),
        S=side,
        yaw=math.radians(portrait.yaw),
        pitch=math.radians(portrait.pitch),
        roll=math.radians(portrait.roll),
        ss=3,
        extra=one_sided,
    )[0]
    if portrait.window:
        left, top = portrait.window
        image = image.crop((left, top, left + portrait.size, top + portrait.size))
    return image


def parameters(portrait: Portrait) -> str:
    """The text that A1111 keeps under the PNG key `parameters`."""
    seed = int(portrait.name.split("-")[1].removesuffix(".png"))
    lines = [portrait.prompt]
    if portrait.negative:
        lines.append(f"Negative prompt: {portrait.negative}")
    lines.append(
        f"Steps: {20 + seed % 11}, Sampler: DPM++ 2M Karras, CFG scale: {5 + seed % 4}, Seed: {seed}, "
        f"Size: {portrait.size}x{portrait.size}, Model: {portrait.model}, Version: v1.9.4"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ict", type=Path, required=True, help="folder with render.py and ict_full.npz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    render = load_render(arguments.ict.resolve())
    arguments.output.mkdir(parents=True, exist_ok=True)
    for index, portrait in enumerate(PORTRAITS):
        image = picture(render, index, portrait)
        path = arguments.output / portrait.name
        if path.suffix == ".png":
            info = PngInfo()
            info.add_text("parameters", parameters(portrait))
            image.save(path, pnginfo=info, optimize=True)
        else:
            image.save(path, quality=90)
    print(f"{len(PORTRAITS)} portraits in {arguments.output}")


if __name__ == "__main__":
    main()
