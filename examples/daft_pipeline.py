"""`curate.score_images` in Daft: a class of batches, opened once in every worker.

pip install daft && python examples/daft_pipeline.py [FOLDER or URL]
"""

import sys
from pathlib import Path

import daft
from daft import DataType, Series, col

import curate

PICTURES = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent / "faces")
FIELDS = {
    "status": DataType.string(),
    "expression": DataType.string(),
    "temperature": DataType.float32(),
    "yaw": DataType.float32(),
}


@daft.cls(max_concurrency=1)
class Faces:
    """The largest face of each picture."""

    @daft.method.batch(return_dtype=DataType.struct(FIELDS), batch_size=16)
    def score(self, pictures: Series) -> list[dict[str, object]]:
        """Encoded pictures in, a struct for each out; what is wrong with one stands in its `status`."""
        return curate.score_images(pictures.to_pylist()).select(*FIELDS).to_dicts()


def main() -> None:
    """Download, score, choose, print."""
    files = daft.from_glob_path(f"{PICTURES}/*").select("path")
    scored = files.with_column("face", Faces().score(col("path").download()))
    rows = scored.select("path", *(col("face").get(name).alias(name) for name in FIELDS))
    chosen = rows.where((col("status") == "ok") & (col("temperature") > 60)).sort("temperature", desc=True)
    print(f"{chosen.count_rows()} faces are hot; the hottest:")
    for row in chosen.limit(5).to_pylist():
        print(
            f"{Path(row['path']).name:28} {row['expression']:10} {row['temperature']:5.1f} {row['yaw']:6.1f}"
        )


if __name__ == "__main__":
    main()
