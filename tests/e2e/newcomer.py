"""What a newcomer has after two cycles of both engines: champions that serve, and candidates that tie with them.

All tests that only look at such cycles share these two.
"""

import secrets

import pytest

from tests.e2e import cycles, prometheus, tracking
from tests.e2e.cluster import every, name_of, wait_until
from tests.e2e.cycles import BOTH
from tests.e2e.servers import answers

# The model of the overlay: it is what the exporter tells of and what the servers serve.
MODEL = "flights"
ROW = {
    "hour": 18.0, "minute": 30.0, "day_of_week": 3.0, "carrier": "UA", "origin": "EWR", "destination": "SFO",
    "distance": 2565.0, "scheduled_duration": 370.0, "departures_same_hour": 30.0, "arrivals_same_route_day": 12.0,
    "plane_age": 10.0, "plane_seats": 200.0, "plane_manufacturer": "BOEING", "plane_type": "Fixed wing multi engine",
    "temperature": 60.0, "dew_point": 50.0, "humidity": 60.0, "wind_speed": 10.0, "wind_gust": 20.0,
    "precipitation": 0.0, "pressure": 1010.0, "visibility": 10.0,
}  # fmt: skip


@pytest.fixture(scope="session")
def first_cycle(brisk):
    """The first cycle of the overlay's model, whose champions serve; where that has versions already, of a new one."""
    known = any(tracking.versions(MODEL, engine) for engine in BOTH)
    with cycles.starting() as start:
        cycle = start(f"first-{secrets.token_hex(3)}" if known else MODEL, engines=BOTH, served=not known)
        cycle.must_complete()
        if not known:
            must_serve()
        yield cycle


def must_serve():
    """Each server answers a row, and refuses what is none."""
    servers = [name_of(each) for each in every("deployments", "app.kubernetes.io/component=server")]
    assert servers, "no server is deployed; the component serving is part of the overlay local"
    row = {"dataframe_records": [ROW]}
    for server in servers:
        wait_until(f"{server} answers", lambda server=server: answers(server, row) == 200, 300, pause=1)
        assert answers(server, {}) == 400


@pytest.fixture(scope="session")
def second_cycle(first_cycle):
    """The second cycle on the same data. Its Spark trainer loses its executor; Prometheus has told of it meanwhile."""
    with cycles.starting() as start:
        cycle = start(first_cycle.model, engines=BOTH)
        cycle.wait_for_event(cycle.running_pod_of("spark"), cycles.READ)
        lost = cycle.running_pod_of("executor")
        cycles.delete_pod(lost, force=True)
        # One of scikit-learn alone may be over before it is scraped.
        prometheus.wait_for("a cycle runs", "ratchet_cycle_running", lambda found: found == 1)
        cycle.must_complete()
        executors = [name_of(pod) for pod in cycle.pods_of("executor")]
        assert executors, "of the executor that took its place nothing is left"
        assert lost not in executors
        yield cycle
