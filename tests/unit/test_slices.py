import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.slices import MOST_VALUES, Slice


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 50), max_size=60))
def test_the_values_with_the_most_rows_have_groups_of_their_own(rows):
    grouping = Slice("carrier").grouped(rows)
    assert len(grouping.values) == min(len(rows), MOST_VALUES)
    assert grouping.others == len(rows) - len(grouping.values)
    least = min((rows[value] for value in grouping.values), default=0)
    assert all(rows[value] <= least for value in rows if value not in grouping.values)


def test_of_values_with_as_many_rows_those_that_sort_first_have_groups_however_they_are_ordered():
    values = [f"{number:02}" for number in range(25)]
    forwards, backwards = (Slice("x").grouped(dict.fromkeys(order, 3)) for order in (values, values[::-1]))
    assert forwards == backwards
    assert forwards.values == tuple(values[:MOST_VALUES])


@pytest.mark.parametrize(
    ("group", "name"),
    [(0, "age < 25"), (1, "25 ≤ age < 40"), (2, "40 ≤ age < 65.5"), (3, "age ≥ 65.5"), (5, "age missing")],
)
def test_ranges_are_named_by_their_edges(group, name):
    assert Slice("age", (25, 40, 65.5)).grouped({}).name(group) == name


def test_values_are_named_as_they_are_written():
    texts, numbers = Slice("carrier").grouped({"UA": 2, "": 1}), Slice("hour").grouped({7.0: 3, 7.5: 2})
    assert [texts.name(group) for group in (0, texts.missing)] == ["carrier = UA", "carrier missing"]
    assert [numbers.name(group) for group in (0, 1)] == ["hour = 7", "hour = 7.5"]
    many = Slice("x").grouped({f"{number:02}": 1 for number in range(23)})
    assert many.name(many.other) == "x: 3 other values"
