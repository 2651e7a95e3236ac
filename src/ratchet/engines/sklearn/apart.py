"""A model that carries a team's own code, loaded in a process of its own.

Python has one module of a name in a process, so two versions of a package can't be in one: the first that is imported
would be the code of both. Here each model gets a process that has imported nothing of the package, and MLflow puts the
model's own copy first on the path. The processes are forked from one that has imported MLflow.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ratchet.engines.loading import why_not_loaded
from ratchet.errors import FailedError, first_line

if TYPE_CHECKING:
    import pandas as pd

    from ratchet.engines.scored import Scored

_IMPORTED = ["ratchet.engines.sklearn.scorer", "mlflow.pyfunc", "mlflow.sklearn", "pandas"]
_END_SECONDS = 10


class Apart:
    """A loaded model in its process. Raises FailedError, with the reason in one sentence, for whatever fails there."""

    def __init__(self, connection: Connection, process: Any) -> None:
        self._connection = connection
        self._process = process

    def score(self, rows: "pd.DataFrame") -> "Scored":
        """Labels and probabilities of rows; see `engines.sklearn.scorer`."""
        scored: Scored = self.ask(rows)
        return scored

    def ask(self, question: Any) -> Any:
        """Send a question, None to hear of the loading; returns the answer."""
        try:
            if question is not None:
                self._connection.send(question)
            answer, reason = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(_END_SECONDS)
            message = f"its process ended with exit code {self._process.exitcode}"
            raise FailedError(message) from error
        if reason is not None:
            raise FailedError(reason)
        return answer


@contextmanager
def apart(folder: str) -> Iterator[Apart]:
    """A model loaded from its folder by `mlflow.pyfunc`, in its own process, which ends with the context."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    here, there = context.Pipe()
    process = context.Process(target=_answers, args=(there, folder), name="model")
    process.start()
    there.close()
    model = Apart(here, process)
    try:
        model.ask(None)
        yield model
    finally:
        here.close()
        process.join(_END_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _answers(connection: Connection, folder: str) -> None:
    """What the process does: load the model, and answer until the other side closes."""
    with suppress(EOFError, OSError):
        try:
            scorer = _loaded(folder)
        except BaseException as error:  # noqa: BLE001  # a model's code may raise anything, SystemExit too
            connection.send((None, why_not_loaded("it", error)))
            return
        connection.send((True, None))
        while True:
            connection.send(_answer(scorer, connection.recv()))


def _answer(scorer: Any, rows: Any) -> tuple[Any, str | None]:
    try:
        return scorer.score(rows), None
    except BaseException as error:  # noqa: BLE001
        return None, first_line(error)


def _loaded(folder: str) -> Any:
    import mlflow

    from ratchet.engines.sklearn.scorer import ScikitLearnScorer

    return ScikitLearnScorer(mlflow.pyfunc.load_model(folder, suppress_warnings=True))
