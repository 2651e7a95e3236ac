"""Whether the windows fit in memory, estimated before any row is read.

The scikit-learn engine calls it before it reads, and `jobs.retrain` before it runs both engines in parallel.
"""

from collections.abc import Iterable
from pathlib import Path

import psutil

from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io.table.table import EventTable
from ratchet.settings import bytes_of

_NUMBER_BYTES = 8
_CODE_BYTES = 2
_OTHER_BYTES = 9
_PROCESS_BYTES = 300 * 1024**2
# Bytes that a fit needs for each value of each feature besides the frame: copies as a matrix, binned or one-hot.
# Measured on the flights at 0.3 and 3.3 million rows, plus 10 %.
_FIT_BYTES_PER_CELL = {
    "hist_gradient_boosting": 36,
    "logistic_regression": 72,
    "random_forest": 34,
    "lightgbm": 36,
    "xgboost": 36,
}
# What an own estimator needs is unknown; it gets the same rows with each category as text, of eight bytes.
_OWN_BYTES_PER_CELL = 72
_CGROUPS = Path("/sys/fs/cgroup")
# Kernels write "no limit" in version 1 as a number near 2**63.
_UNLIMITED = 2**60


def memory_needed(table: EventTable, windows: Iterable[Window], estimator: str) -> int:
    """Bytes that a process needs to read the windows and fit on the training window, estimated from footers.

    estimator: its name in the settings, or an import path. A row group counts as a whole if a window touches it, so the
    estimate is rather too high than too low.
    """
    fit_bytes = _FIT_BYTES_PER_CELL.get(estimator, _OWN_BYTES_PER_CELL)
    return _PROCESS_BYTES + sum(_window_bytes(table, window, fit_bytes) for window in windows)


def _window_bytes(table: EventTable, window: Window, fit_bytes: int) -> int:
    groups = [group for file in table.files for group in file.row_groups if group.touches(window)]
    rows = sum(group.rows for group in groups)
    frame = rows * (_NUMBER_BYTES * len(table.numeric) + _CODE_BYTES * len(table.texts) + _OTHER_BYTES)
    fit = rows * len(table.features) * fit_bytes if window.name == "training" else 0
    return frame + fit


def check_memory(table: EventTable, windows: Iterable[Window], estimator: str, limit: str | None) -> None:
    """Raises DataError if the windows need more than `limit`, such as 4GiB; None: the cgroup's, or the machine's."""
    wanted = memory_needed(table, windows, estimator)
    available, source = (bytes_of(limit), "sklearn.memory_limit") if limit is not None else _available()
    if wanted > available:
        message = (
            f"the windows of {table.uri} need about {_text(wanted)} of memory and {_text(available)} are available "
            f"({source}): a shorter windows.train, fewer columns or the Spark engine help"
        )
        raise DataError(message)


def available() -> int:
    """Bytes that this process and its children may use together."""
    return _available()[0]


def _available() -> tuple[int, str]:
    """Bytes that this process may use, and the source of the limit: its cgroup (version 2 or 1) or the machine."""
    machine = int(psutil.virtual_memory().total)
    limits = [limit for path in _limit_files() if (limit := _limit(path)) is not None]
    lowest = min(limits, default=_UNLIMITED)
    return (lowest, "the limit of the cgroup") if lowest < machine else (machine, "the machine's memory")


def _limit_files() -> Iterable[Path]:
    """The limits of the process's cgroup and its ancestors; inside a container its own is the root."""
    yield _CGROUPS / "memory.max"
    yield _CGROUPS / "memory" / "memory.limit_in_bytes"
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        folder = _CGROUPS if not controllers else _CGROUPS / "memory"
        name = "memory.max" if not controllers else "memory.limit_in_bytes"
        if not controllers or "memory" in controllers.split(","):
            own = folder / path.strip("/")
            yield from (part / name for part in (own, *own.parents) if part.is_relative_to(folder))


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() and int(text) < _UNLIMITED else None


def _text(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
