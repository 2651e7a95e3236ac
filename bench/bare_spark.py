"""What the Spark trainer can't do without, and nothing else: read, fit, calibrate, choose, score.

The yardstick of `bench/run.py`: the same columns, windows, stages and parameters as `ratchet train spark`, straight
through pyspark; no checks, no logging, no evidence. Needs Java on the PATH or in JAVA_HOME.
The variable DRIVER_MEMORY is the heap of Spark's JVM.
Usage: python bench/bare_spark.py [TABLE [FUNCTION]], the function making other stages: `our_models.spark_delays:stages`
"""

import json
import math
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import Binarizer, Imputer, OneHotEncoder, SQLTransformer, StringIndexer, VectorAssembler
from pyspark.ml.regression import IsotonicRegression
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

LEVELS = 16_384

begin = time.perf_counter()
config = yaml.safe_load(Path("configs/dev.yaml").read_text(encoding="utf-8"))["data"]
table = sys.argv[1] if len(sys.argv) > 1 else config["uri"]
numeric, categorical, at = config["numeric"], config["categorical"], config["timestamp"]

spark = (
    SparkSession.builder.config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.driver.memory", os.environ.get("DRIVER_MEMORY", "2g"))
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.extraJavaOptions", "-XX:+UseParallelGC")
    .config("spark.sql.execution.arrow.pyspark.enabled", "true")
    .config("spark.sql.legacy.parquet.nanosAsLong", "true")
    .getOrCreate()
)
spark.conf.set("spark.sql.shuffle.partitions", spark.sparkContext.defaultParallelism)
rows = spark.read.parquet(table)
day = (f.col(at) / 86_400_000_000_000).cast("int") if dict(rows.dtypes)[at] == "bigint" else f.unix_date(at)
rows = rows.select(
    *(f.col(name).cast("double").alias(name) for name in numeric),
    *categorical,
    f.col(config["label"]["column"]).cast("double").alias("label"),
    day.alias("day"),
).cache()


def window(start: str, end: str) -> DataFrame:
    """The rows of the days from `start` up to, not including, `end`."""
    return rows.where((f.date_from_unix_date("day") >= start) & (f.date_from_unix_date("day") < end))


def counted(scored: DataFrame) -> pd.DataFrame:
    """Rows by day, score and label."""
    level = f.floor(f.col("score") * LEVELS).alias("level")
    return scored.groupBy("day", level, "label").count().toPandas()


def stock(train: DataFrame) -> list[Any]:
    """The stages that the Spark trainer makes by default."""
    filled = train.select(f.count("*").alias("rows"), *map(f.count, numeric)).first()
    gaps = [name for name, there in zip(numeric, filled[1:], strict=True) if there < filled["rows"]]
    marked = ", ".join(f"CAST({name} IS NULL AS DOUBLE) AS gap_{name}" for name in gaps)
    places = range(len(categorical))
    codes, flags = [f"code{place}" for place in places], [f"flags{place}" for place in places]
    return [
        SQLTransformer(statement=f"SELECT *, {marked} FROM __THIS__"),  # noqa: S608  # names of the configuration
        Imputer(inputCols=numeric, outputCols=numeric),
        StringIndexer(inputCols=categorical, outputCols=codes, handleInvalid="keep"),
        OneHotEncoder(inputCols=codes, outputCols=flags),
        VectorAssembler(inputCols=[*numeric, *(f"gap_{name}" for name in gaps), *flags], outputCol="features"),
        LogisticRegression(maxIter=50, regParam=1e-4, tol=1e-5, predictionCol="estimated"),
    ]


train = window("1970-01-01", "2013-11-01")
module, _, name = sys.argv[2].partition(":") if len(sys.argv) > 2 else ("", "", "")  # noqa: PLR2004
stages = getattr(import_module(module), name)(numeric, categorical, {}, 0, "label") if name else stock(train)
front = Pipeline(stages=stages).fit(train)
estimated = front.transform(window("2013-11-01", "2013-12-01")).select("probability", "label", "day").cache()
calibrator = IsotonicRegression(featuresCol="probability", featureIndex=1, predictionCol="score").fit(estimated)
counts = counted(calibrator.transform(estimated)).pivot_table("count", "level", "label", aggfunc="sum", fill_value=0)
above = counts[::-1].cumsum()
f1 = 2 * above[1.0] / (above[0.0] + above[1.0] + counts[1.0].sum())
threshold = f1.idxmax() / LEVELS
binarizer = Binarizer(threshold=math.nextafter(threshold, -1), inputCol="score", outputCol="labelled")
model = PipelineModel([*front.stages, calibrator, binarizer])
counts = counted(model.transform(window("2013-12-01", "2014-01-01")))
positive = counts["level"] / LEVELS >= threshold
true = counts["label"] == 1
hit, wrong, lost = (counts["count"][part].sum() for part in (positive & true, positive & ~true, ~positive & true))
scored = float(2 * hit / (2 * hit + wrong + lost))
spark.stop()
print(json.dumps({"f1": round(scored, 4), "threshold": round(threshold, 4), "seconds": time.perf_counter() - begin}))
