"""Spark's options and their precedence: the operator's settings override Ratchet's.

`engines.spark.session` combines them when it starts Spark.
"""

import os
import re
import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from ratchet.errors import ConfigurationError
from ratchet.io.table.files.filesystem import s3_endpoint
from ratchet.settings import Settings

_MASTER = re.compile(r"^\s*spark\.master\b", re.MULTILINE)


def master_is_given(settings: Settings, variables: Mapping[str, str]) -> bool:
    """Whether Spark's master is set from outside; variables: the process's environment."""
    if "PYSPARK_GATEWAY_PORT" in variables or "MASTER" in variables or "spark.master" in settings.spark.conf:
        return True
    arguments = variables.get("PYSPARK_SUBMIT_ARGS", "")
    if re.search(r"--master|spark\.master", arguments):
        return True
    files = [file for option, file in pairwise(shlex.split(arguments)) if option == "--properties-file"]
    if folder := variables.get("SPARK_CONF_DIR"):
        files.append(f"{folder}/spark-defaults.conf")
    return any(_names_a_master(Path(file)) for file in files)


def _names_a_master(file: Path) -> bool:
    return file.is_file() and _MASTER.search(file.read_text(encoding="utf-8")) is not None


def check_shared(master: str) -> None:
    """Reject a cluster on which each executor would write its part of a model to its own disk.

    master: the address of the cluster. Raises ConfigurationError.
    """
    if not master.startswith("local") and "MLFLOW_DFS_TMP" not in os.environ:
        message = (
            f"Spark runs at {master}, but MLFLOW_DFS_TMP is not set; "
            "it names a folder that driver and executors share, such as s3a://bucket/tmp"
        )
        raise ConfigurationError(message)


def everywhere() -> dict[str, str]:
    """Ratchet's defaults, also on a cluster that does not set them."""
    return {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.python.daemon.module": "ratchet.engines.spark.daemon",
        # Without Arrow, conversion from and to small pandas frames would start Python workers.
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Instants in the result of batch scoring have their zone, which Spark's own default type lacks.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # Names of columns may differ only in case, as in files.
        "spark.sql.caseSensitive": "true",
        **_s3(),
        **_shared(),
    }


def _s3() -> dict[str, str]:
    """The options of s3a://, from the same variables as for the other S3 clients."""
    region = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
    found = {} if region is None else {"spark.hadoop.fs.s3a.endpoint.region": region}
    if "AWS_ACCESS_KEY_ID" in os.environ:
        provider = "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"
        found["spark.hadoop.fs.s3a.aws.credentials.provider"] = provider
    if (endpoint := s3_endpoint()) is not None:
        found["spark.hadoop.fs.s3a.endpoint"] = endpoint
        found["spark.hadoop.fs.s3a.path.style.access"] = "true"
        found["spark.hadoop.fs.s3a.connection.ssl.enabled"] = text(urlsplit(endpoint).scheme == "https")
    return found


def _shared() -> dict[str, str]:
    """Make the file system of MLFLOW_DFS_TMP Spark's default: MLflow passes models by paths without a scheme."""
    parts = urlsplit(os.environ.get("MLFLOW_DFS_TMP", ""))
    return {"spark.hadoop.fs.defaultFS": f"{parts.scheme}://{parts.netloc}"} if parts.netloc else {}


def text(value: bool | float | str) -> str:
    """A setting's value in Spark's notation."""
    return str(value).lower() if isinstance(value, bool) else str(value)
