"""Progress bars for long work on a terminal; elsewhere none, since the events suffice."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

# The events of a trainer in order; `jobs.training.train` logs one per step.
TRAIN_STEPS = 11

type Advance = Callable[[str, str], None]


@contextmanager
def bars(steps: Mapping[str, int]) -> Iterator[Advance]:
    """Show a bar for each name with its number of steps; yields a function that advances one: (name, text to show)."""
    if not sys.stdout.isatty() or not steps:
        yield lambda _name, _done: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description:<14}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[done]}")) as progress:
        tasks = {name: progress.add_task(name, total=total, done="") for name, total in steps.items()}
        yield lambda name, done: progress.update(tasks[name], advance=1, done=done)
