"""One JVM for all tests of a process that use Spark in it: a warm one answers small queries several times as fast."""

import gc
import warnings
from contextlib import contextmanager

import pytest

from ratchet.engines.spark.engine import Spark
from tests.integration.trainer_fixtures import small_settings


@pytest.fixture(scope="session")
def spark_engine(flights_slice, tmp_path_factory):
    """An engine for the flights, which may read another table as well."""
    engine = Spark(small_settings(flights_slice, tmp_path_factory.mktemp("spark")))
    yield engine
    with _sockets_collected():
        engine.close()


@pytest.fixture(scope="module")
def spark_session(spark_engine):
    """The session of that engine, whose cache is emptied after each file of tests."""
    session = spark_engine.session.get()
    yield session
    with _sockets_collected():
        session.catalog.clearCache()


@contextmanager
def _sockets_collected():
    """py4j leaves its sockets to the garbage collector, which might come while a test of something else runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()
