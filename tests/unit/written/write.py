"""Writes the tables beside it by Spark with Delta's and Iceberg's own libraries, which the tests only read.

Run by hand where a table is added: python tests/unit/written/write.py. Spark fetches both libraries from Maven. Each
table becomes NAME.tar.xz, and what Spark reads of it NAME.parquet.
"""

import shutil
import tarfile
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from tests.unit.event_tables import columns

HERE = Path(__file__).parent
PACKAGES = "io.delta:delta-spark_4.1_2.13:4.4.0,org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"
EXTENSIONS = "io.delta.sql.DeltaSparkSessionExtension,org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"

DELTA = {
    "delta_vectors": [
        "CREATE TABLE {t} USING delta TBLPROPERTIES (delta.enableDeletionVectors = true) AS SELECT * FROM rows",
        "DELETE FROM {t} WHERE carrier = 'AA'",
        "DELETE FROM {t} WHERE speed = 6",
        "UPDATE {t} SET speed = 60 WHERE speed = 5",
    ],
    "delta_renamed": [
        "CREATE TABLE {t} USING delta TBLPROPERTIES (delta.columnMapping.mode = 'name') AS SELECT * FROM rows",
        "ALTER TABLE {t} RENAME COLUMN speed TO pace",
        "ALTER TABLE {t} DROP COLUMN stops",
        "INSERT INTO {t} SELECT at + INTERVAL 1 MINUTE, late, 99, carrier FROM rows",
        "ALTER TABLE {t} ADD COLUMN stops INT",
        "INSERT INTO {t} SELECT at + INTERVAL 2 MINUTES, late, 98, carrier, 5 FROM rows WHERE carrier = 'BB'",
    ],
    "delta_renamed_by_id": [
        """CREATE TABLE {t} USING delta PARTITIONED BY (carrier) TBLPROPERTIES (delta.columnMapping.mode = 'id')
        AS SELECT * FROM rows""",
        "ALTER TABLE {t} RENAME COLUMN carrier TO airline",
        "DELETE FROM {t} WHERE airline = 'AA' AND speed > 3",
    ],
}
ICEBERG = {
    "iceberg_places": [
        """CREATE TABLE {t} USING iceberg PARTITIONED BY (carrier) TBLPROPERTIES ('format-version' = 2,
        'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read') AS SELECT * FROM rows""",
        "DELETE FROM {t} WHERE speed = 6",
        "DELETE FROM {t} WHERE stops = 1 AND speed = 5",
        "ALTER TABLE {t} REPLACE PARTITION FIELD carrier WITH days(at)",
        "INSERT INTO {t} SELECT at + INTERVAL 1 MINUTE, late, 99D, stops, carrier FROM rows WHERE carrier = 'BB'",
        "UPDATE {t} SET speed = 60 WHERE speed = 4 AND carrier = 'CC'",
    ],
    "iceberg_vectors": [
        """CREATE TABLE {t} USING iceberg TBLPROPERTIES ('format-version' = 3, 'write.delete.mode' = 'merge-on-read')
        AS SELECT * FROM rows""",
        "DELETE FROM {t} WHERE speed = 6",
        "DELETE FROM {t} WHERE carrier = 'AA'",
    ],
    "iceberg_renamed": [
        "CREATE TABLE {t} USING iceberg AS SELECT at, late, speed, CAST(stops AS INT) stops, carrier FROM rows",
        "ALTER TABLE {t} RENAME COLUMN speed TO pace",
        "ALTER TABLE {t} DROP COLUMN carrier",
        "ALTER TABLE {t} ALTER COLUMN stops TYPE BIGINT",
        "ALTER TABLE {t} ADD COLUMN carrier STRING",
        "INSERT INTO {t} SELECT at + INTERVAL 1 MINUTE, late, 99, 5000000000, carrier FROM rows WHERE stops = 1",
    ],
}


def main() -> None:
    """Write all of them."""
    work = Path(tempfile.mkdtemp())
    pq.write_table(pa.table(columns()), work / "rows.parquet")
    spark = (
        SparkSession.builder.config("spark.jars.packages", PACKAGES)
        .config("spark.sql.extensions", EXTENSIONS)
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.catalog.ice", "org.apache.iceberg.spark.SparkCatalog")
        .config("spark.sql.catalog.ice.type", "hadoop")
        .config("spark.sql.catalog.ice.warehouse", str(work / "ice"))
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", 2)
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    spark.read.parquet(str(work / "rows.parquet")).coalesce(2).createOrReplaceTempView("rows")
    for name, statements in DELTA.items():
        table, folder = f"delta.`{work / name}`", work / name
        for statement in statements:
            spark.sql(statement.format(t=table))
        _keep(spark, name, table, folder)
    for name, statements in ICEBERG.items():
        table, folder = f"ice.db.{name}", work / "ice" / "db" / name
        for statement in statements:
            spark.sql(statement.format(t=table))
        _keep(spark, name, table, folder)
    spark.stop()
    shutil.rmtree(work)


def _keep(spark: SparkSession, name: str, table: str, folder: Path) -> None:
    pq.write_table(spark.table(table).orderBy("at").toArrow(), HERE / f"{name}.parquet")
    for checksum in folder.rglob(".*.crc"):
        checksum.unlink()
    with tarfile.open(HERE / f"{name}.tar.xz", "w:xz") as archive:
        archive.add(folder, name)


if __name__ == "__main__":
    main()
