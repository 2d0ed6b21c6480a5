"""Runs py-feat's detector on pictures. Only the interpreter of an environment that has py-feat can run this file.

    ENV/bin/python benchmarks/pyfeat.py list.txt -o times.json

Its networks come from the Hugging Face hub when they are first used. Written is what `original.py images` writes: the
seconds of wall clock and of CPU; here for batches of eight, each a call.
"""

import argparse
import json
import time
from pathlib import Path

BATCH = 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("list", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    from feat import Detector

    paths = arguments.list.read_text().splitlines()
    detector = Detector(device="cpu")
    calls = []
    for start in range(0, len(paths), BATCH):
        wall, cpu = time.perf_counter(), time.process_time()
        rows = detector.detect(
            paths[start : start + BATCH], data_type="image", batch_size=BATCH, progress_bar=False
        )
        times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "error": None}
        calls.append({**times, "answer": len(rows)})
    arguments.output.write_text(json.dumps({"calls": calls}))


if __name__ == "__main__":
    main()
