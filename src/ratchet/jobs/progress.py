"""Bars for long work on a terminal; elsewhere nothing, since the events say it all."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

# The events of a trainer from its start to its end; `jobs.training.train` logs one a step.
TRAIN_STEPS = 11

type Advance = Callable[[str, str], None]


@contextmanager
def bars(steps: Mapping[str, int]) -> Iterator[Advance]:
    """Show a bar for each name with its number of steps; yields what moves a bar on: (name, what is done)."""
    if not sys.stdout.isatty() or not steps:
        yield lambda _name, _done: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description:<14}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[done]}")) as progress:
        tasks = {name: progress.add_task(name, total=total, done="") for name, total in steps.items()}
        yield lambda name, done: progress.update(tasks[name], advance=1, done=done)
