"""The snapshot of a cycle in MLflow: the first trainer writes it to its run, later trainers find it there.

MLflow has no compare-and-set, so it is written under a lock on the experiment (`io.records.lock`); the table is
inspected before locking.
"""

from datetime import date

from ratchet.io.records import candidates
from ratchet.io.records.lock import ExperimentLock, holding
from ratchet.io.records.tracking import Run
from ratchet.io.table import inspection, last_day, snapshot
from ratchet.io.table.files.filesystem import open_store
from ratchet.io.table.labels.known import known_until
from ratchet.io.table.snapshot import Snapshot
from ratchet.io.table.table import EventTable
from ratchet.settings import Settings

TAG = "ratchet.snapshot"


def table_of(settings: Settings, run: Run, cycle: str, as_of: date | None) -> tuple[EventTable, Snapshot]:
    """The table as the cycle reads it, and its snapshot, which the run then has, too.

    as_of: as in `ratchet train`; it overrides the cycle's first trainer's value. Raises what `data.inspect` raises, and
    TemporaryError if the lock is not available.
    """
    text = _found(settings, run, cycle)
    if text is None:
        table = inspection.inspect(settings.data)
        table = last_day.without_partial_day(table) if as_of is None else table
        taken = Snapshot.of(table, as_of or known_until(table))
        lock = ExperimentLock(run.client, run.experiment_id, settings.promotion.lock_seconds, f"the cycle {cycle}")
        with holding(lock):
            text = _found(settings, run, cycle)
            if text is None:
                _write(settings, run, taken, taken.to_json(table.store).encode())
                return table, taken
    pinned = Snapshot.from_json(text, open_store(settings.data.uri))
    _write(settings, run, pinned, text)
    return inspection.inspect(settings.data, pinned.looked), pinned


def _found(settings: Settings, run: Run, cycle: str) -> bytes | None:
    wanted = (
        f"tags.`ratchet.model` = '{settings.model}' and tags.`ratchet.cycle` = '{cycle}'"
        f" and tags.`{TAG}` LIKE '{snapshot.asked(settings.data)}-%'"
    )
    runs = run.client.search_runs([run.experiment_id], wanted, max_results=1)
    return candidates.artifact(run.client, runs[0].info.run_id, snapshot.NAME) if runs else None


def _write(settings: Settings, run: Run, pinned: Snapshot, text: bytes) -> None:
    """Write the artifact first, so that it exists when a trainer sees the tag."""
    run.artifacts({snapshot.NAME: text})
    run.tags({TAG: f"{snapshot.asked(settings.data)}-{pinned.digest}"})
