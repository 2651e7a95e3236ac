"""The files of a table: a single file, or all files of a folder with the right suffix, in the order of their paths."""

from collections.abc import Sequence
from urllib.parse import unquote

from pyarrow import fs

from ratchet.errors import DataError
from ratchet.io.table.files import borders
from ratchet.io.table.files.filesystem import Store, address, explained

# pandas' documentation names compressed Parquet `a.parquet.gzip`.
_COMPRESSED = tuple(f".parquet.{codec}" for codec in ("gzip", "gz", "snappy", "zstd", "brotli", "lz4"))
_ENDINGS = {"parquet": (".parquet", ".parq", ".pq", *_COMPRESSED), "csv": (".csv", ".csv.gz", ".csv.bz2", ".csv.zst")}
# CSV, too, if no other file is a table.
_WITH_TABS = (".tsv", ".tsv.gz", ".tsv.bz2", ".tsv.zst")
_ENDING_NAMES = {"parquet": ".parquet, .parq or .pq", "csv": ".csv, .tsv, or these with .gz, .bz2 or .zst"}
_ALL_ENDINGS = (
    f"{_ENDING_NAMES['parquet']}, or in {_ENDING_NAMES['csv']}; data.format selects the format of other names"
)
_DATA_WORDS = ("parq", "pq", "csv", "tsv", "json", "orc", "avro", "feather", "arrow", "txt", "xls")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def files(store: Store, wanted: str | None) -> tuple[str, list[tuple[str, int]], tuple[str, ...]]:
    """The table's format, its files' paths and sizes in bytes, and a warning about other data files, if any.

    wanted: None derives the format from the names.

    Raises DataError if there is no such file, TemporaryError if the store does not respond.
    """
    with explained(store.uri):
        found = _found(store)
    forms = {path: _form(path) for path, _ in found}
    if not any(forms.values()):
        forms = {path: "csv" if path.lower().endswith(_WITH_TABS) else None for path in forms}
    seen = sorted({form for form in forms.values() if form is not None})
    if wanted is None and len(seen) > 1:
        message = f"{store.uri} holds Parquet and CSV files: set data.format to one of them"
        raise DataError(message)
    form = wanted or (seen[0] if seen else "parquet")
    # A single file has the configured format, whatever its name; in a folder the names decide.
    single = len(found) == 1 and found[0][0] == store.root and wanted is not None
    chosen = sorted(item for item in found if single or forms[item[0]] == form)
    if not chosen:
        message = f"there is no {form} file at {store.uri}: names end in {_ENDING_NAMES[form]}"
        if wanted is None:
            message = f"there is no parquet file and no csv file at {store.uri}: names end in {_ALL_ENDINGS}"
        raise DataError(message)
    others = sorted(store.relative(path) for path, _ in found if forms[path] is None and _looks_like_data(path))
    if not others or single:
        return form, chosen, ()
    which = f"{others[0]} is" if len(others) == 1 else f"{len(others):,} files, {others[0]} among them, are"
    return form, chosen, (f"{which} left out of {store.uri}: names end in {_ENDING_NAMES[form]}",)


def _looks_like_data(path: str) -> bool:
    """Whether a name without a supported suffix suggests a table: `a.json.gz`, `b.tsv`."""
    return any(f".{word}" in path.lower().rpartition("/")[2] for word in _DATA_WORDS)


def _found(store: Store) -> list[tuple[str, int]]:
    info = store.filesystem.get_file_info(store.root)
    if info.type == fs.FileType.NotFound:
        raise DataError(_absent(store))
    if info.type == fs.FileType.File:
        borders.check(store, ())
        with store.filesystem.open_input_file(store.root):
            return [(store.root, info.size)]
    listed = store.filesystem.get_file_info(fs.FileSelector(store.root, recursive=True))
    borders.check(store, [item.path for item in listed])
    shown = [item for item in listed if not _hidden(store.relative(item.path))]
    for item in shown:
        if not item.is_file and item.type != fs.FileType.Directory and _form(item.path) is not None:
            message = f"{address(store, item.path)} is neither a file nor a folder"
            raise DataError(message)
    return [(item.path, item.size) for item in shown if item.is_file]


def _absent(store: Store) -> str:
    bucket, _, prefix = store.root.partition("/")
    if not store.remote:
        return f"there is no file or folder at {store.uri}"
    gone = not prefix or store.filesystem.get_file_info(bucket).type == fs.FileType.NotFound
    return f"there is no bucket {bucket!r} for {store.uri}" if gone else f"there is no object or prefix at {store.uri}"


def _hidden(path: str) -> bool:
    """Spark's and Hadoop's rule: names that begin with a dot or an underscore are no data, except partitions."""
    return any(part.startswith((".", "_")) and "=" not in part for part in path.split("/"))


def _form(path: str) -> str | None:
    return next((form for form, endings in _ENDINGS.items() if path.lower().endswith(endings)), None)


def partitions(store: Store, path: str, own: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """Names and values in a file's path below the root (`year=2013/`), without those that are columns of the file."""
    pairs = [part.partition("=") for part in store.relative(path).split("/")[:-1] if "=" in part]
    values = {unquote(name): None if value == _NO_VALUE else unquote(value) for name, _, value in pairs}
    return tuple((name, value) for name, value in values.items() if name not in own)
