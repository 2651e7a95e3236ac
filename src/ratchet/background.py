"""Work that goes on beside the caller's own: Spark's start, the saving of a model, the reading back of it.

A daemon's thread, not a pool's: whoever leaves, above all when interrupted, waits for nothing.
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
