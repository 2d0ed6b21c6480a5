"""Every benchmark whose figures stand in docs/performance.md, one after the other; then the page's tables.

    python benchmarks/all.py [-o benchmarks/results] [--quick] [--only speed,peers] [--pictures FOLDER]
                             [--env REFERENCE_ENV] [--pyfeat ENV] [--turns 3] [--growth 1000 10000 100000 1000000]

Each writes NAME.json into the folder of results; `tables.py` makes the tables from these files, so that no figure of
the page is typed by hand (`--only none` makes them alone). What cannot run here leaves a blank cell with the reason.
`--quick` takes a minute and says whether all of it works, not how fast: its results and its page go into a folder of
their own and leave the repository alone. CURATE_CACHE names a cache with LibreFace's pack (benchmarks/README.md).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tables
from host import cores, describe
from picture_sets import EXAMPLES

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"


@dataclass(frozen=True, slots=True)
class Part:
    """A benchmark.

    Attributes:
        name: of its file of results.
        seconds: about what it takes on two cores.
        command: what is run, from the arguments, the folder for scratch and the file to write; None prints its JSON.
        prints: whether it prints its JSON instead of writing the file.
        lacks: why it cannot run here, or "".
    """

    name: str
    seconds: int
    command: Callable[[argparse.Namespace, Path, Path], list[object]]
    prints: bool = False
    lacks: Callable[[argparse.Namespace], str] = lambda _: ""


def speed(given: argparse.Namespace, scratch: Path, output: Path) -> list[object]:
    """Pictures a second."""
    more = ["--quick"] if given.quick else ["--turns", given.turns]
    return [HERE / "speed.py", "-o", output, "--scratch", scratch, "--pictures", given.pictures, *more]


def peers(given: argparse.Namespace, scratch: Path, output: Path) -> list[object]:
    """Other programs."""
    more: list[object] = (
        ["--turns", 1, "--count", 16, "--only", "mesh"]
        if given.quick
        else ["--turns", given.turns, "--count", 24]
    )
    for name in ("env", "pyfeat"):
        more += [f"--{name}", getattr(given, name)] if getattr(given, name) else []
    return [HERE / "peers.py", "-o", output, "--pictures", given.pictures, *more]


def growth(given: argparse.Namespace, scratch: Path, output: Path) -> list[object]:
    """More and more rows."""
    return [HERE / "growth.py", "--json", "--rows", *([100] if given.quick else given.growth)]


def memory(given: argparse.Namespace, scratch: Path, output: Path) -> list[object]:
    """The memory of a long run."""
    counts = [40] if given.quick else [500, 4000]
    return [HERE / "memory.py", given.pictures, "--json", "--counts", *counts]


def choosing(given: argparse.Namespace, scratch: Path, output: Path) -> list[object]:
    """Queries and recipes."""
    made = _made(scratch, 2_000 if given.quick else 100_000)
    few = ["--repeats", 1, "--slice", 500] if given.quick else ["--repeats", 3, "--slice", 5000]
    return [HERE / "choose_speed.py", made, "--json", *few]


def browsing(given: argparse.Namespace, scratch: Path, output: Path) -> list[object]:
    """Into FiftyOne."""
    made = _made(scratch, 200 if given.quick else 10_000)
    return [HERE / "browse_speed.py", made, "--plain", 100 if given.quick else 1000]


def exporting(given: argparse.Namespace, scratch: Path, output: Path) -> list[object]:
    """Out to training."""
    few = ["--pictures", 50, "--repeats", 1] if given.quick else ["--pictures", 2000, "--repeats", 3]
    formats = "folder-hardlink" if given.quick else "folder-hardlink,folder-copy,webdataset,hf,csv"
    return [HERE / "export_speed.py", scratch / "export", "--json", "--formats", formats, *few]


def profiles(given: argparse.Namespace, scratch: Path, output: Path) -> list[object]:
    """Exact beside fast."""
    scorer, count = ("lite", 16) if given.quick else ("libreface", 80)
    return [HERE / "profiles.py", given.pictures, "--json", "--scorer", scorer, "--count", count]


def gpu(given: argparse.Namespace, scratch: Path, output: Path) -> list[object]:
    """The device, and the decoders that feed it."""
    count = 1000 if given.quick else 20_000
    return [HERE / "gpu.py", given.pictures, "-o", output, "--count", count, "--scorers", "mesh,quality,lite"]


def _made(scratch: Path, rows: int) -> Path:
    scores = scratch / f"{rows}.scores"
    if not scores.is_dir():
        command = [sys.executable, HERE / "make_rows.py", scores, "--rows", str(rows)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return scores


def _no_profiles(given: argparse.Namespace) -> str:
    from curate.errors import ModelError
    from curate.scorers.scorer import make_scorer

    try:
        make_scorer("lite" if given.quick else "libreface", "fast")
    except ModelError as error:
        return f"{error.message} ({error.hint})"
    return ""


def _no_gpu(_: argparse.Namespace) -> str:
    from curate.errors import ModelError
    from curate.models.session import resolve_device

    try:
        resolve_device("cuda")
    except ModelError as error:
        return f"no GPU was at hand: {error.message}"
    return ""


def _no_app(_: argparse.Namespace) -> str:
    from importlib.util import find_spec

    return "" if find_spec("fiftyone") else "FiftyOne is not installed: pip install 'curate-faces[app]'"


PARTS = (
    Part("speed", 750, speed),
    Part("peers", 250, peers),
    Part("profiles", 45, profiles, prints=True, lacks=_no_profiles),
    Part("gpu", 120, gpu, lacks=_no_gpu),
    Part("growth", 660, growth, prints=True),
    Part("memory", 60, memory, prints=True),
    Part("choosing", 60, choosing, prints=True),
    Part("browsing", 30, browsing, prints=True, lacks=_no_app),
    Part("exporting", 40, exporting, prints=True),
)


def run(part: Part, given: argparse.Namespace, scratch: Path) -> None:
    """One benchmark; its file of results has what it found, or why there is nothing."""
    output: Path = given.output / f"{part.name}.json"
    reason, start = part.lacks(given), time.monotonic()
    found: dict[str, object] = {}
    if not reason:
        command = [str(word) for word in (sys.executable, *part.command(given, scratch, output))]
        print(f"{part.name}: about {part.seconds} s", file=sys.stderr, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            reason = f"{part.name} ended with exit code {done.returncode}"
        else:
            found = json.loads(done.stdout if part.prints else output.read_text())
    head = {"host": describe(), "seconds": round(time.monotonic() - start), "quick": given.quick}
    found = {**found, **head} if not reason else {**head, "reason": reason}
    output.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{part.name}: {reason or 'done'}", file=sys.stderr, flush=True)


def main() -> int:
    """Run what was asked for, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(part.name for part in PARTS))
    parser.add_argument("--pictures", type=Path, default=EXAMPLES)
    parser.add_argument("--env", type=Path, help="made by reference_env.py")
    parser.add_argument("--pyfeat", type=Path, help="an environment with py-feat")
    parser.add_argument("--growth", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--turns", type=int, default=3, help="of speed and peers [default: 3]")
    parser.add_argument("--page", type=Path, help="whose tables are written")
    given = parser.parse_args()
    if given.quick and given.output == HERE / "results":
        given.output = Path(tempfile.mkdtemp(prefix="quick-results-"))
    given.output.mkdir(parents=True, exist_ok=True)
    print(f"{cores()} cores; results go to {given.output}", file=sys.stderr)
    asked = given.only.split(",")
    unknown = set(asked) - {part.name for part in PARTS} - {"none"}
    if unknown:
        parser.error(f"no benchmark called {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        for part in PARTS:
            if part.name in asked:
                run(part, given, Path(scratch))
    page = given.page or (given.output / "performance.md" if given.quick else PAGE)
    if page != PAGE and not page.exists():
        shutil.copy(PAGE, page)
    text = page.read_text(encoding="utf-8")
    page.write_text(tables.filled(text, tables.read(given.output)), encoding="utf-8")
    print(f"{page} is written", file=sys.stderr)
    results = tables.read(given.output)
    # What this machine lacks is a blank cell; what should run here and does not is a fault.
    return int(any("reason" in results[p.name] for p in PARTS if p.name in asked and not p.lacks(given)))


if __name__ == "__main__":
    sys.exit(main())
