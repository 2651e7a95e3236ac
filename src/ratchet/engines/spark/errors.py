"""Converts Spark's exceptions into one sentence: the root cause, without the stack trace."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from ratchet import errors
from ratchet.errors import ConfigurationError, DataError, FailedError, RatchetError

_FILE = re.compile(r"(?:reading|read) file:? (\S+?)\.?(?:\s|$)")
# Delimits one of Ratchet's errors, as JSON, within the text of Spark's error from a task.
_MARK = "\x1f"
_OURS = re.compile(f"{_MARK}(.*?){_MARK}", re.DOTALL)
_DAMAGED = ("FAILED_READ_FILE", "CANNOT_READ_FILE", "is not a Parquet file", "can not read class org.apache.parquet")
_LONGEST = 300


@contextmanager
def spark_errors(doing: str, parameters: str | None = None) -> Iterator[None]:
    """Translate errors of Spark and of the connection to it.

    doing: `reading the data`, for the message. parameters: the setting to name if Spark rejects an argument.

    Raises DataError for an unreadable file, ConfigurationError for an invalid parameter or a missing jar, otherwise
    FailedError. Ratchet's own errors and interruptions pass unchanged.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import IllegalArgumentException, PySparkException

    try:
        yield
    except RatchetError:
        raise
    except IllegalArgumentException as error:
        if parameters is None:
            raise _translated(doing, error) from error
        message = f"{parameters} has a value that Spark refuses: {_short(_messages(error)[-1])}"
        raise ConfigurationError(message) from error
    except (Py4JError, PySparkException, OSError, EOFError) as error:
        raise _translated(doing, error) from error


@contextmanager
def task_errors() -> Iterator[None]:
    """In a task: wrap one of Ratchet's errors so that `spark_errors`, around the job in the driver, raises it again."""
    try:
        yield
    except RatchetError as error:
        name = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        message = f"{_MARK}{json.dumps([name, str(error)])}{_MARK}"
        raise RuntimeError(message) from error


def _translated(doing: str, error: BaseException) -> RatchetError:
    messages = _messages(error)
    everything = " ".join(messages)
    if (ours := _OURS.search(" ".join([everything, str(error)]))) is not None:
        name, said = json.loads(ours[1])
        found: RatchetError = getattr(errors, name)(said)
        return found
    root = _short(messages[-1])
    if any(sign in everything for sign in _DAMAGED):
        file = _FILE.search(everything)
        return DataError(f"the file {file[1] if file else ''} can't be read: {root}")
    if "S3AFileSystem not found" in everything:
        return ConfigurationError("Spark can't reach s3:// without hadoop-aws among its jars; see spark.jars.packages")
    if "OutOfMemoryError" in everything:
        return FailedError(f"Spark ran out of memory while {doing}; raise spark.driver_memory", "out-of-memory")
    if _died(error):
        return FailedError(f"Spark's JVM ended while {doing}; it may have been killed for its memory")
    return FailedError(f"Spark failed while {doing}: {root}")


def _died(error: BaseException) -> bool:
    from py4j.protocol import Py4JJavaError, Py4JNetworkError

    no_answer = "Answer from Java side is empty" in str(error) or "error while obtaining" in str(error)
    return isinstance(error, (Py4JNetworkError, OSError, EOFError)) or (
        no_answer and not isinstance(error, Py4JJavaError)
    )


def _messages(error: BaseException) -> list[str]:
    """The messages of an error and its causes, the root cause last."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors.exceptions.captured import CapturedException

    if isinstance(error, Py4JJavaError):
        java = error.java_exception
    elif isinstance(error, CapturedException):
        java = error._origin  # noqa: SLF001  # its text contains the stack trace
    else:
        java = None
    found = []
    try:
        while java is not None:
            found.append(f"{java.getMessage() or java.getClass().getSimpleName()} ({java.getClass().getSimpleName()})")
            java = java.getCause()
    except Exception:  # noqa: BLE001  # the JVM has exited: only Python's text is left
        found = found[:1]
    return found or [str(error)]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
