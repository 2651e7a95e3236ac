import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core import cycle_ids
from ratchet.errors import ConfigurationError

# What Kubernetes takes as a name (RFC 1123), beginning with a letter; an engine's name must still fit behind it.
_ACCEPTED = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST = 46


def test_a_new_id_is_one_that_is_accepted_and_no_two_are_the_same():
    made = {cycle_ids.new() for _ in range(5)}
    assert len(made) > 1
    for cycle in made:
        assert cycle_ids.checked(cycle) == cycle
        assert cycle.startswith("retrain-")


@pytest.mark.parametrize("cycle", ["a", "retrain-29384760", "a" * _LONGEST, "nightly-2013-12-01"])
def test_an_id_that_can_name_an_object_is_taken_as_it_is(cycle):
    assert cycle_ids.checked(cycle) == cycle


@pytest.mark.parametrize(
    "cycle", ["", "A", "1a", "-a", "a-", "a_b", "a.b", "a b", "a'b", "a\n", "ä", "a" * (_LONGEST + 1)]
)
def test_an_id_that_can_name_no_object_is_refused_with_what_is_accepted(cycle):
    with pytest.raises(ConfigurationError, match="begins with a letter and has at most 46"):
        cycle_ids.checked(cycle)


@given(st.text(alphabet="ab1-_'A\n", max_size=60))
def test_only_names_of_objects_are_accepted(cycle):
    expected = _ACCEPTED.fullmatch(cycle) is not None and len(cycle) <= _LONGEST
    try:
        accepted = cycle_ids.checked(cycle) == cycle
    except ConfigurationError:
        accepted = False
    assert accepted == expected
