"""Does `curate score` need more memory for 50,000 pictures than for 1,000?

    python benchmarks/memory.py [PICTURES] [--counts 1000 50000] [--workers 2] [--json]

Links so many names to the pictures of a folder, runs `curate score --scorers mesh,quality` on them, and reads the
resident memory of the parent and of each worker twice a second from /proc (so: Linux only). For every run it prints
each process's peak, what it held after a quarter of its time and at its end, and at last how the peaks grew. Shared
libraries count in every process that has them, so the sum over processes overstates.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

DEMO_FACES = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "demo_faces"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
EVERY = 0.5  # seconds
MIB = 1024


class Life(NamedTuple):
    """A process's resident memory over its life, in MiB."""

    name: str
    samples: list[float]

    @property
    def peak(self) -> float:
        return max(self.samples)

    def around(self, part: float) -> float:
        """The median of the tenth of its life that ends at `part` of it."""
        end = max(1, round(len(self.samples) * part))
        return median(self.samples[max(0, end - max(1, len(self.samples) // 10)) : end])


def resident(pid: int) -> float | None:
    """MiB; None for a process that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(sizes[0]) / MIB if sizes else None


def descendants(pid: int) -> list[int]:
    """The processes below one, itself not."""
    below: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids = [int(child) for child in children.read_text().split()]
        except OSError:
            continue
        for child in pids:
            below += [child, *descendants(child)]
    return below


def score(folder: Path, out: Path, workers: int) -> tuple[float, list[Life]]:
    """Run `curate score` to its end; seconds, and the lives of its processes, parent first."""
    command = [
        Path(sys.executable).parent / "curate",
        "score",
        folder,
        "-o",
        out,
        "--scorers",
        "mesh,quality",
    ]
    command += ["--workers", str(workers), "--device", "cpu", "--quiet"]
    start = time.monotonic()
    samples: dict[int, list[float]] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            for pid in [process.pid, *descendants(process.pid)]:
                size = resident(pid)
                if size is not None:
                    samples.setdefault(pid, []).append(size)
            time.sleep(EVERY)
    if process.returncode not in (0, 3):  # 3: some pictures have no face
        raise SystemExit(f"curate score ended with exit code {process.returncode}")
    # multiprocessing has a helper of its own, of a few MiB: not a worker.
    lives = [
        Life("parent" if pid == process.pid else f"process {pid}", values)
        for pid, values in samples.items()
        if pid == process.pid or max(values) > 50
    ]
    return time.monotonic() - start, lives


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=DEMO_FACES)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 50000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    targets = sorted(p.resolve() for p in arguments.folder.iterdir() if p.suffix.lower() in SUFFIXES)

    peaks: list[tuple[float, float]] = []
    rows: list[dict[str, float]] = []
    for count in arguments.counts:
        with tempfile.TemporaryDirectory(prefix="memory-") as temp:
            links = Path(temp) / "links"
            links.mkdir()
            for number in range(count):
                target = targets[number % len(targets)]
                (links / f"{number:06}{target.suffix}").symlink_to(target)
            seconds, lives = score(links, Path(temp) / "faces.scores", arguments.workers)
        peaks.append((lives[0].peak, max(life.peak for life in lives[1:])))
        rows.append(
            {
                "pictures": count,
                "seconds": round(seconds, 1),
                "parent_mib": round(peaks[-1][0]),
                "worker_mib": round(peaks[-1][1]),
            }
        )
        if arguments.json:
            continue
        print(
            f"{count} pictures, {arguments.workers} workers, {seconds:.0f} s ({count / seconds:.1f} pictures/s)"
        )
        print(f"    {'':<18}{'peak':>9}{'after 25 %':>12}{'at the end':>12}   MiB")
        for life in lives:
            print(f"    {life.name:<18}{life.peak:>9.0f}{life.around(0.25):>12.0f}{life.around(1.0):>12.0f}")
    if arguments.json:
        print(json.dumps({"workers": arguments.workers, "rows": rows}, indent=1))
        return
    (parent, worker), (last_parent, last_worker) = peaks[0], peaks[-1]
    print(
        f"from {arguments.counts[0]} to {arguments.counts[-1]} pictures the peaks grew by "
        f"{last_parent - parent:+.0f} MiB (parent) and {last_worker - worker:+.0f} MiB (largest worker)"
    )


if __name__ == "__main__":
    main()
