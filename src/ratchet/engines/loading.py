"""Loading a model, which is running what is in it: whatever that raises means the same, it can't be loaded."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ratchet.errors import FailedError, RatchetError, first_line


def loading[**P, R](what: str, load: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `load` returns; raises FailedError, a sentence about `what`, for all but Ratchet's own errors."""
    try:
        return load(*args, **kwargs)
    except RatchetError:
        raise
    except Exception as error:
        message = f"{what} can't be loaded: {first_line(error)}"
        raise FailedError(message) from error


@contextmanager
def downloaded(what: str, model_uri: str) -> Iterator[str]:
    """A model's files, until they are loaded: by its address alone MLflow would leave them behind, once a run.

    Raises FailedError, a sentence about `what`, where they can't be had.
    """
    import mlflow

    with tempfile.TemporaryDirectory(prefix="ratchet-model-") as folder:
        yield str(loading(what, mlflow.artifacts.download_artifacts, model_uri, dst_path=folder))
