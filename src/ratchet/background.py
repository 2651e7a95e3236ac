"""Background work: starting Spark, saving a model, reading it back, scoring versions, telling the team.

Uses daemon threads, not a pool, so that the process exits without waiting, above all when interrupted.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future

_last: list[Callable[[], None]] = []


def begin[**P, R](name: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    """Begin a call in a thread of the given name; `result()` of what is returned waits and raises what it raised."""
    future: Future[R] = Future()

    def run() -> None:
        _settle(future, call, *args, **kwargs)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def each[T, R](name: str, call: Callable[[T], R], items: Iterable[T], at_once: int) -> list[Future[R]]:
    """Begin calls in up to `at_once` threads; returns their results as `begin` does, in the order of the items."""
    waiting = deque((item, Future[R]()) for item in items)
    futures = [future for _, future in waiting]

    def work() -> None:
        while True:
            try:
                item, future = waiting.popleft()
            except IndexError:
                return
            _settle(future, call, item)

    for _ in range(min(at_once, len(futures))):
        threading.Thread(target=work, name=name, daemon=True).start()
    return futures


def before_end(call: Callable[[], None]) -> None:
    """Have a call made when the verb is over: it waits for work that the verb itself does not need; raises nothing."""
    _last.append(call)


def finish() -> None:
    """Make the calls that `before_end` was given, in their order."""
    while _last:
        _last.pop(0)()


def _settle[**P, R](future: Future[R], call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> None:
    try:
        result = call(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
        future.set_exception(error)
    else:
        future.set_result(result)
