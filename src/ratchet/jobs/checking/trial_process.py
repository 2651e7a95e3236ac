"""A process of its own that imports an engine while the table is read, and then tries it.

Importing MLflow and scikit-learn takes most of a check's time, and Python imports on one core.
"""

import gc
import importlib
import multiprocessing
import os
import signal
import warnings
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from ratchet.errors import FailedError, RatchetError, first_line

_NEEDED = (
    "ratchet.jobs.checking.trial",
    "ratchet.engines.sklearn.engine",
    "mlflow.pyfunc.scoring_server",
    "sklearn.ensemble",
)


class TrialProcess:
    """Runs one call. A context manager: entering it starts the process, leaving it ends the process.

    modules: what to import in advance.
    """

    def __init__(self, modules: Sequence[str] = _NEEDED) -> None:
        spawning = multiprocessing.get_context("spawn")  # Arrow and MLflow have threads, which a fork would lose
        self._pipe, other = spawning.Pipe()
        self._process = spawning.Process(target=_work, args=(other, tuple(modules)), daemon=True)
        self._other = other

    def __enter__(self) -> Self:
        self._process.start()
        self._other.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def result(self, module: str, function: str, *args: object) -> Any:
        """As `call`, in the process; raises the same errors, and FailedError for all others."""
        try:
            self._pipe.send((module, function, args))
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            message = f"the process that tries the engine ended with {self._process.exitcode}"
            raise FailedError(message) from error
        if isinstance(answer, RatchetError):
            raise answer
        return answer


def call(module: str, function: str, *args: object) -> Any:
    """What a function returns; its module is imported only here. Raises RatchetError."""
    return getattr(importlib.import_module(module), function)(*args)


def _work(pipe: Connection, modules: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, too, and ends this process
    warnings.simplefilter("ignore")  # as in the parent
    # With few rows, threads only wait for one another.
    os.environ["OMP_NUM_THREADS"] = "1"
    gc.disable()  # during imports, collecting takes a tenth of the time and frees nothing
    for module in modules:
        with suppress(ModuleNotFoundError):  # the call will say so
            importlib.import_module(module)
    gc.enable()
    with suppress(EOFError):  # the parent has ended
        module, function, args = pipe.recv()
        pipe.send(_answer(module, function, args))


def _answer(module: str, function: str, args: tuple[object, ...]) -> object:
    try:
        return call(module, function, *args)
    except RatchetError as error:
        return error
    except Exception as error:  # noqa: BLE001  # another process can't raise it
        return FailedError(f"{type(error).__name__}: {first_line(error)}")
