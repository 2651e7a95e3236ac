"""Loads models. This runs code from the model, so any exception means that it can't be loaded."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ratchet.errors import FailedError, RatchetError, first_line


def loading[**P, R](what: str, load: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of `load`; raises FailedError, a sentence about `what`, for any error except Ratchet's own."""
    try:
        return load(*args, **kwargs)
    except RatchetError:
        raise
    except Exception as error:
        raise FailedError(why_not_loaded(what, error)) from error


def why_not_loaded(what: str, error: BaseException) -> str:
    """A sentence about `what`; it names a missing package."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        return f"{what} can't be loaded: it needs the package {error.name!r}, which is not installed here"
    return f"{what} can't be loaded: {first_line(error)}"


@contextmanager
def downloaded(what: str, model_uri: str) -> Iterator[str]:
    """The folder of a model's files, deleted afterwards; given only the address, MLflow would not delete its download.

    Raises FailedError, a sentence about `what`, if they are not available.
    """
    import mlflow

    with tempfile.TemporaryDirectory(prefix="ratchet-model-") as folder:
        yield str(loading(what, mlflow.artifacts.download_artifacts, model_uri, dst_path=folder))
