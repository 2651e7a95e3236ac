"""What a newcomer has after two cycles of both engines: champions that serve, and candidates that tie with them.

All tests that only look at such cycles share these two.
"""

import secrets

import pytest

from tests.e2e import cycles, prometheus, tracking
from tests.e2e.cycles import BOTH

# The model of the overlay: it is what the exporter tells of and what the servers serve.
MODEL = "flights"


@pytest.fixture(scope="session")
def first_cycle(brisk):
    """The first cycle of the overlay's model, whose champions serve; where that has versions already, of a new one."""
    known = any(tracking.versions(MODEL, engine) for engine in BOTH)
    with cycles.starting() as start:
        cycle = start(f"first-{secrets.token_hex(3)}" if known else MODEL, engines=BOTH, served=not known)
        cycle.must_complete()
        yield cycle


@pytest.fixture(scope="session")
def second_cycle(first_cycle):
    """The second cycle on the same data, of which Prometheus has told while it ran."""
    with cycles.starting() as start:
        cycle = start(first_cycle.model, engines=BOTH)
        # One of scikit-learn alone may be over before it is scraped.
        prometheus.wait_for("a cycle runs", "ratchet_cycle_running", lambda found: found == 1)
        cycle.must_complete()
        yield cycle
