"""Labels that arrive late: two scheduled cycles, a week apart, on a table whose newest two weeks have no label."""

import secrets

from tests.e2e import cycles, tracking
from tests.e2e.cluster import create, kubectl
from tests.e2e.cycles import BOTH

TABLE = "s3://ratchet-data/e2e/late-labels"
WRITE = """
import sys
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from ratchet.io.table.files.filesystem import open_store

flights, target, until, unlabelled_from = sys.argv[1:]
source, folder = open_store(flights), open_store(target)
frame = pq.read_table(source.root, filesystem=source.filesystem, partitioning=None).to_pandas()
frame = frame[frame["scheduled_departure"] < until]
unknown = frame["scheduled_departure"] >= unlabelled_from
frame["late"] = frame["late"].astype("boolean").mask(unknown)
table = pa.Table.from_pandas(frame.sort_values("scheduled_departure"), preserve_index=False)
pq.write_table(table, f"{folder.root}/events.parquet", filesystem=folder.filesystem, row_group_size=20_000)
print(unknown.sum())
"""


def write(until, unlabelled_from):
    """Replace the table by the flights before a day, whose labels are unknown from another day on."""
    name = f"e2e-table-{secrets.token_hex(4)}"
    job = cycles.job_from("sample-data", name)
    container = job["spec"]["template"]["spec"]["containers"][0]
    container["command"] = ["python", "-c", WRITE, "$(RATCHET__DATA__URI)", TABLE, until, unlabelled_from]
    container["args"] = []
    create(job)
    try:
        assert cycles.job_end(name) == 0, cycles.logs_of_job(name)
        return int(cycles.logs_of_job(name).split()[-1])
    finally:
        kubectl("delete", "job", name, "--timeout=60s", seconds=90)


def test_a_table_whose_newest_weeks_have_no_label_is_learnt_from_week_after_week(start, model):
    settings = (f"data.uri={TABLE}", "data.label.known_after=14d")
    outcomes = []
    for until, known in (("2013-08-01", "2013-07-18"), ("2013-08-08", "2013-07-25")):
        assert write(until, known) > 0
        slot = f"{until}T03:00:00Z"
        cycle = start(*settings, engines=BOTH, as_of=None, slot=slot)
        cycle.must_complete()
        found = {run["tags"]["ratchet.engine"]: run["tags"] for run in tracking.runs(model, cycle.id)}
        assert found.keys() == set(BOTH)
        assert {tags["ratchet.test_until"] for tags in found.values()} == {known}
        outcomes.append({tags["ratchet.decision"] for tags in found.values()})
    assert outcomes[0] == {"promoted"}
    assert outcomes[1] <= {"promoted", "held"}


def test_without_the_setting_the_cycle_fails_and_says_what_to_set(start):
    write("2013-08-01", "2013-07-18")
    cycle = start(f"data.uri={TABLE}", as_of=None)
    cycle.must_fail("data.label.known_after to 14d")
