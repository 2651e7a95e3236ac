"""Spark's own Python daemon, which has loaded the reader before it forks the workers that need it."""

import pyarrow as pa
from pyspark.daemon import manager

import ratchet.io.table.reader  # noqa: F401  # for what the import itself does

if __name__ == "__main__":
    pa.array([""])  # Arrow imports pandas with its first array
    manager()
