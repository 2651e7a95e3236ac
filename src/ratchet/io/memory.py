"""Whether a window fits into memory, said before it is read.

The estimate is of the scikit-learn trainer, whose peak is the fit: the rows as read, a matrix of them as numbers, and
what the estimator makes of that. The bytes a cell were measured on the flights, repeated, at 0.3 to 3.3 million rows.
"""

from pathlib import Path

import psutil

from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io.data import Table
from ratchet.settings import bytes_of

_PROCESS = 350 * 1024**2
_BYTES_A_CELL = 28
_BYTES_A_ROW = 80
# A CSV file says nothing of its rows; a cell of it takes this many bytes of text, separator included.
_TEXT_A_CELL = 6
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def needed(table: Table, window: Window) -> int:
    """The bytes that training on a window takes."""
    cells = len(table.features)
    if table.format == "csv":
        text = sum(block.size for block in table.blocks)
        rows = text // (_TEXT_A_CELL * len(table.schema))
    else:
        rows = sum(block.rows for block in table.blocks if block.overlaps(window))
    return _PROCESS + rows * (cells * _BYTES_A_CELL + _BYTES_A_ROW)


def available(limit: str | None) -> int:
    """The bytes that this process may use: the setting, else its cgroup's limit, else the machine's memory."""
    if limit is not None:
        return bytes_of(limit)
    machine = int(psutil.virtual_memory().total)
    for file in _CGROUP_LIMITS:
        if file.exists() and (text := file.read_text().strip()).isdigit():
            return min(int(text), machine)
    return machine


def check(table: Table, window: Window, limit: str | None) -> None:
    """Raise DataError where the window needs more memory than there is."""
    wants, has = needed(table, window), available(limit)
    if wants > has:
        message = (
            f"the {window} of {table.uri} needs about {_in_words(wants)} of memory and {_in_words(has)} are available:"
            " a shorter windows.train, fewer columns, or the Spark engine help"
        )
        raise DataError(message)


def _in_words(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 else f"{size / 1024**2:.0f} MiB"
