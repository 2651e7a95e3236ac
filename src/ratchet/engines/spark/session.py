"""Starts and ends Spark's JVM and session; `engines.spark.engine` has one for the duration of a run.

If a master is set from outside (spark-submit, the Spark operator, `spark-defaults.conf`, MASTER), it is used with all
of its options. Otherwise Spark runs on this machine, in the process's own JVM, and is not reachable from elsewhere.
"""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ratchet import background
from ratchet.engines.spark.conf import check_shared, everywhere, master_is_given, text
from ratchet.engines.spark.errors import spark_errors
from ratchet.engines.spark.java import java_home
from ratchet.errors import FailedError
from ratchet.settings import Settings, bytes_of

_STOP_SECONDS = 10
# An aggregation of many columns becomes one long method, which Java would never compile by default.
_JVM = "-XX:+UseParallelGC -XX:-DontCompileHugeMethods"
_LOGGING = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark: %c{1}: %m%n%throwable{0}
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
logger.executor.name = org.apache.spark.executor
logger.executor.level = off
logger.tasks.name = org.apache.spark.scheduler
logger.tasks.level = off
"""


class Session:
    """A Spark session that starts in the background as soon as it is created."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="ratchet-spark-"))
        # Not in the thread: MLflow imports it, too, and concurrent imports of a package may see it half initialized.
        importlib.import_module("pyspark.sql")
        self._spark: Future[Any] | None = background.begin("spark-start", self._session)

    def get(self) -> Any:
        """The session, once it has started. Raises ConfigurationError without Java, FailedError if it can't start."""
        if self._spark is None:
            message = "the Spark session has been stopped"
            raise FailedError(message)
        spark = self._spark.result()
        # MLflow needs the active session, which Spark keeps per thread, and another thread created it.
        spark._jvm.SparkSession.setActiveSession(spark._jsparkSession)  # noqa: SLF001  # no public way
        return spark

    @property
    def temporary(self) -> str | None:
        """The folder for models on their way to and from MLflow. None: MLFLOW_DFS_TMP, as required on a cluster."""
        return None if "MLFLOW_DFS_TMP" in os.environ else str(self.folder / "models")

    def stop(self) -> None:
        """End the session, its JVM and its files; may be called twice."""
        starting, self._spark = self._spark, None
        if starting is not None:
            with suppress(Exception):  # it may have failed to start, or its JVM may have died
                starting.result().stop()
        self._end_jvm(at_once=False)

    def leave(self, kind: type[BaseException] | None) -> None:
        """End as a context manager exited with this kind of error: an interruption does not wait."""
        if kind is not None and not issubclass(kind, Exception):
            self.kill()
        else:
            self.stop()

    def kill(self) -> None:
        """Kill the JVM, even while it starts, without calling it, because a call may have been interrupted."""
        self._spark = None
        for process in psutil.Process().children():
            with suppress(psutil.Error):  # it may be gone by now
                if any(str(self.folder) in argument for argument in process.cmdline()):
                    process.kill()
        self._end_jvm(at_once=True)

    def _session(self) -> Any:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if "PYSPARK_GATEWAY_PORT" not in os.environ:
            os.environ["JAVA_HOME"] = str(java_home(self.folder))
        from pyspark.sql import SparkSession

        with spark_errors("starting Spark"):
            conf = self._conf()
            spark = SparkSession.builder.config(conf=conf).getOrCreate()
        if not conf.contains("spark.sql.shuffle.partitions"):
            spark.conf.set("spark.sql.shuffle.partitions", spark.sparkContext.defaultParallelism)
        return spark

    def _conf(self) -> Any:
        from pyspark import SparkConf, SparkContext

        chosen = [(key, text(value)) for key, value in self._settings.spark.conf.items()]
        conf = SparkConf()
        if not master_is_given(self._settings, os.environ):
            return conf.setAll([*everywhere().items(), *self._on_this_machine().items(), *chosen])
        # Only the JVM reads options and files from outside; they seem to be missing until it runs.
        SparkContext._ensure_initialized(conf=conf.setAll(chosen))  # noqa: SLF001  # no public way
        conf = SparkConf().setAll(chosen)
        for key, value in everywhere().items():
            conf.setIfMissing(key, value)
        check_shared(conf.get("spark.master", ""))
        return conf

    def _on_this_machine(self) -> dict[str, str]:
        logging = self.folder / "log4j2.properties"
        logging.write_text(_LOGGING, encoding="utf-8")
        return {
            "spark.app.name": f"ratchet-{self._settings.model}",
            "spark.driver.memory": f"{bytes_of(self._settings.spark.driver_memory) // 1024**2}m",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={logging.as_uri()} {_JVM}",
            "spark.local.dir": str(self.folder / "local"),
            "spark.sql.warehouse.dir": (self.folder / "warehouse").as_uri(),
        }

    def _end_jvm(self, *, at_once: bool) -> None:
        if "pyspark" in sys.modules:
            from pyspark import SparkContext
            from pyspark.sql import SparkSession

            # pyspark keeps its JVM until the process ends, and would continue with a dead one.
            gateway, SparkContext._gateway = SparkContext._gateway, None  # noqa: SLF001
            SparkContext._jvm = SparkContext._active_spark_context = None  # noqa: SLF001
            SparkSession._instantiatedSession = None  # noqa: SLF001
            if gateway is not None:
                _end(gateway, at_once=at_once)
        if (flavour := sys.modules.get("mlflow.spark")) is not None:
            # It keeps the file system of its first JVM.
            flavour._HadoopFileSystem._filesystem = None  # noqa: SLF001
        shutil.rmtree(self.folder, ignore_errors=True)


def _end(gateway: Any, *, at_once: bool) -> None:
    """End the JVM if this process started it: it exits when its input is closed; otherwise it is killed."""
    process: subprocess.Popen[bytes] | None = gateway.proc
    if not at_once:
        with suppress(Exception):  # the JVM may have exited
            gateway.shutdown()
    if process is None:
        return
    if at_once:
        process.kill()
    elif process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
