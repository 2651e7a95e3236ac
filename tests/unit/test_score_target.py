"""The folder of a result: one result at a time, complete where `_SUCCESS` says so, and nobody else's files touched."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratchet.errors import ConfigurationError, TemporaryError
from ratchet.io.table import score_target
from ratchet.io.table.files.filesystem import open_store
from ratchet.io.table.score_target import FIELDS, Target

SCHEMA = pa.schema(FIELDS)


def target(folder, call="one", source="/elsewhere/table"):
    return Target.of(str(folder), open_store(str(source)), call)


def rows(version, count=3):
    columns = [pa.array([1] * count), pa.array([0.5] * count), pa.array([version] * count)]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA)


def write(place, version=1, chunks=1):
    place.begin({"version": version})
    with place.writer(SCHEMA) as parts:
        for _ in range(chunks):
            parts.write(rows(version))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_result_is_complete_only_after_its_end(tmp_path):
    place = target(tmp_path / "to")
    write(place)
    assert names(tmp_path / "to") == ["_STARTED", "part-00000.parquet"]
    place.finish(1, 3, {"model": "it"})
    success = json.loads((tmp_path / "to/_SUCCESS").read_text())
    assert success == {"model": "it", "version": 1, "rows": 3, "files": ["part-00000.parquet"]}


def test_a_call_begins_by_taking_the_earlier_result_away(tmp_path):
    write(first := target(tmp_path))
    first.finish(1, 3, {})
    (tmp_path / "_temporary/0").mkdir(parents=True)
    (tmp_path / "_temporary/0/part-1.parquet").touch()
    (tmp_path / ".part-1.parquet.crc").touch()
    target(tmp_path, "two").begin({})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["_STARTED"]


def test_another_version_leaves_no_row_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(score_target, "_FILE_ROWS", 3)
    write(target(tmp_path), version=1, chunks=4)
    assert len(list(tmp_path.glob("part-*"))) == 4
    write(second := target(tmp_path, "two"), version=2)
    second.finish(2, 3, {})
    assert set(pq.read_table(tmp_path)["model_version"].to_pylist()) == {2}


def test_two_calls_at_once_are_not_both_complete(tmp_path):
    first, second = target(tmp_path, "one"), target(tmp_path, "two")
    write(first)
    write(second)
    with pytest.raises(TemporaryError, match="another call has written scores"):
        first.finish(1, 3, {})
    assert not (tmp_path / "_SUCCESS").exists()
    second.finish(1, 3, {})
    assert (tmp_path / "_SUCCESS").exists()


@pytest.mark.parametrize("version", [1, 2])
def test_rows_that_an_earlier_call_still_wrote_are_seen(tmp_path, version):
    write(place := target(tmp_path))
    pq.write_table(rows(version), tmp_path / "part-00001.parquet")
    with pytest.raises(TemporaryError, match="another call has written scores"):
        place.finish(1, 3 if version == 1 else 6, {})
    assert not (tmp_path / "_SUCCESS").exists()


def test_a_result_without_rows_is_complete_too(tmp_path):
    place = target(tmp_path)
    place.begin({})
    with place.writer(SCHEMA) as parts:
        parts.write(SCHEMA.empty_table())
    place.finish(1, 0, {})
    assert (tmp_path / "_SUCCESS").exists()


@pytest.mark.parametrize("name", ["notes.txt", "part-00000.parquet", "_SUCCESS", "year=2024/part-0.parquet"])
def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("theirs")
    with pytest.raises(ConfigurationError, match=f"holds {name}, which `ratchet score` did not write"):
        target(tmp_path)
    assert (tmp_path / name).read_text() == "theirs"


def test_a_file_that_somebody_put_beside_a_result_is_not_taken_away(tmp_path):
    write(target(tmp_path))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigurationError, match=r"holds notes\.txt"):
        target(tmp_path, "two")


@pytest.mark.parametrize(
    ("to", "source"), [("t", "t"), ("t/scores", "t"), ("t", "t/year=2024"), ("t", "t/events.parquet")]
)
def test_a_target_in_or_around_the_table_is_refused(tmp_path, to, source):
    with pytest.raises(ConfigurationError, match=r"which overlaps with the table"):
        target(tmp_path / to, source=tmp_path / source)


def test_a_neighbour_whose_name_only_begins_alike_is_accepted(tmp_path):
    assert target(tmp_path / "flights-scores", source=tmp_path / "flights").call == "one"


def test_a_target_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "to").touch()
    with pytest.raises(ConfigurationError, match="is a file; the scores go to a folder"):
        target(tmp_path / "to")


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ConfigurationError, match=r"the target of the scores is 'gs://x'"):
        target("gs://x")
