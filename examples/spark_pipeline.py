"""`curate.score_images` in Spark: `mapInArrow`, a batch of rows at a time, in Spark's own Python workers.

pip install pyspark pyarrow && python examples/spark_pipeline.py [FOLDER or URL]      (needs Java 17)
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

import curate

PICTURES = sys.argv[1] if len(sys.argv) > 1 else str((Path(__file__).parent / "faces").resolve())
SCHEMA = "path string, status string, expression string, temperature float, yaw float"


def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """(path, content) in, a row a picture out. Models are opened once a worker, which Spark keeps for its tasks."""
    for batch in batches:
        paths = batch.column("path")
        rows = curate.score_images(batch.column("content"))
        answers = rows.select("status", "expression", "temperature", "yaw").to_arrow().combine_chunks()
        columns = [paths, *(column.combine_chunks() for column in answers.columns)]
        yield pa.RecordBatch.from_arrays(columns, names=["path", *answers.column_names])


def main() -> None:
    """Read, score, choose, print."""
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 16)
        .config("spark.ui.enabled", False)
        .config("spark.ui.showConsoleProgress", False)
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    files = spark.read.format("binaryFile").load(PICTURES).select("path", "content")
    rows = files.mapInArrow(score, SCHEMA).cache()
    chosen = rows.where("status = 'ok' and temperature > 60").orderBy("temperature", ascending=False)
    print(f"{chosen.count()} faces are hot; the hottest:")
    for row in chosen.limit(5).collect():
        print(f"{row.path.rsplit('/')[-1]:28} {row.expression:10} {row.temperature:5.1f} {row.yaw:6.1f}")
    spark.stop()


if __name__ == "__main__":
    main()
