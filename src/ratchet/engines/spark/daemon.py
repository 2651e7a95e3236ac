"""Spark's own Python daemon, which imports the reader before it forks the workers that need it."""

import pyarrow as pa
from pyspark.daemon import manager

import ratchet.io.table.reader  # noqa: F401  # imported in advance

if __name__ == "__main__":
    pa.array([""])  # Arrow imports pandas with its first array
    manager()
