"""The Lease: one cycle at a time in a namespace."""

import pytest

from ratchet.io.cluster.lease import NAME, SECONDS, Holder, Lease
from tests.unit.cluster_server import Cluster, api_of, serving

ONE, TWO = Holder("cycle-one", "job-one", "uid-1"), Holder("cycle-two", "job-two", "uid-2")


@pytest.fixture
def cluster():
    found = Cluster()
    assert found.add("jobs", "job-one")["metadata"]["uid"] == ONE.uid
    assert found.add("jobs", "job-two")["metadata"]["uid"] == TWO.uid
    return found


@pytest.fixture
def lease_of(cluster, clock):
    with serving(cluster) as address:
        yield lambda holder: Lease(api_of(address, clock), holder, clock)


def holder(cluster):
    return cluster.objects["leases", NAME]["spec"]["holderIdentity"]


def test_the_first_has_it_and_the_second_is_told_who(lease_of, cluster):
    assert lease_of(ONE).take() is None
    assert lease_of(TWO).take() == ONE
    assert holder(cluster) == "cycle-one"


def test_a_coordinator_that_starts_again_has_it_still(lease_of):
    lease_of(ONE).take()
    assert lease_of(ONE).take() is None


def test_another_job_of_the_same_slot_waits_too(lease_of):
    lease_of(ONE).take()
    assert lease_of(Holder("cycle-one", "job-two", "uid-2")).take() == ONE


def test_it_is_given_back(lease_of, cluster):
    first = lease_of(ONE)
    first.take()
    first.give_back()
    assert holder(cluster) == ""
    assert lease_of(TWO).take() is None
    first.give_back()
    assert holder(cluster) == "cycle-two", "what another one holds is not given back"


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_a_holder_whose_job_has_ended_has_it_no_longer(lease_of, cluster, kind):
    lease_of(ONE).take()
    cluster.objects["jobs", "job-one"]["status"] = {"conditions": [{"type": kind, "status": "True"}]}
    assert lease_of(TWO).take() is None


def test_a_holder_whose_job_is_gone_or_another_has_it_no_longer(lease_of, cluster):
    lease_of(ONE).take()
    cluster.objects["jobs", "job-one"]["metadata"]["uid"] = "made anew"
    assert lease_of(TWO).take() is None
    cluster.objects.pop(("jobs", "job-two"))
    assert lease_of(ONE).take() is None


def test_one_that_is_not_renewed_is_taken_after_its_whole_length(lease_of, cluster, clock):
    lease_of(ONE).take()
    second = lease_of(TWO)
    assert second.take() == ONE
    clock.sleep(SECONDS - 1)
    assert second.take() == ONE
    clock.sleep(1)
    assert second.take() is None
    assert cluster.objects["leases", NAME]["spec"]["leaseTransitions"] == 1


def test_one_that_is_renewed_is_not_taken(lease_of, clock):
    first, second = lease_of(ONE), lease_of(TWO)
    first.take()
    for _ in range(30):
        clock.sleep(20)
        assert first.keep() is None
        assert second.take() == ONE


def test_it_is_renewed_only_when_that_is_due(lease_of, cluster, clock):
    lease = lease_of(ONE)
    lease.take()
    requests = len(cluster.requests)
    clock.sleep(9)
    lease.keep()
    assert len(cluster.requests) == requests
    clock.sleep(1)
    lease.keep()
    assert len(cluster.requests) > requests


def test_who_lost_it_is_told_who_has_it(lease_of, clock):
    first, second = lease_of(ONE), lease_of(TWO)
    first.take()
    second.take()
    clock.sleep(SECONDS)
    assert second.take() is None
    assert first.keep() == TWO


def test_of_two_that_take_it_at_once_one_has_it(lease_of, cluster):
    lease_of(ONE).take()
    cluster.objects["leases", NAME]["spec"]["holderIdentity"] = ""
    cluster.forced = [(200, dict(cluster.objects["leases", NAME])), (409, {"message": "modified"})]
    assert lease_of(TWO).take() is not None
