"""Background work: starting Spark, saving a model, reading it back.

Uses daemon threads, not a pool, so that the process exits without waiting, above all when interrupted.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future


def begin[**P, R](name: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    """Begin a call in a thread of the given name; `result()` of what is returned waits and raises what it raised."""
    future: Future[R] = Future()

    def run() -> None:
        try:
            result = call(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
