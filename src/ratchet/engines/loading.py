"""Loading a model, which is running what is in it: whatever that raises means the same, it can't be loaded."""

from collections.abc import Callable

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
