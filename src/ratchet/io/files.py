"""What the files of a table say of themselves, put together: their columns with one type each, and what is in them.

`io.data` looks at labelled events through it, `io.unlabelled` at rows to score.
"""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from ratchet.errors import DataError
from ratchet.io import delimited, listing, parquet
from ratchet.io.clock import Clock
from ratchet.io.store import Store
from ratchet.io.table import File
from ratchet.settings import Data


def look(
    store: Store, form: str, paths: Sequence[tuple[str, int]], settings: Data, clock: Clock
) -> tuple[tuple[File, ...], pa.Schema]:
    """Look at files of a format; returns them and their common schema, without the columns in paths.

    form, paths: what `io.listing.files` found. Raises DataError for a file that can't be read, or whose columns'
    types can't be one; TemporaryError where the store does not answer.
    """
    if form == "parquet":
        return _parquet(store, paths, settings, clock)
    return _csv(store, paths, settings)


def _parquet(
    store: Store, paths: Sequence[tuple[str, int]], settings: Data, clock: Clock
) -> tuple[tuple[File, ...], pa.Schema]:
    looked = parquet.look(store, paths, settings.timestamp, clock)
    files = tuple(_located(store, file) for file, _ in looked)
    try:
        schema = pa.unify_schemas([own.remove_metadata() for _, own in looked], promote_options="permissive")
    except pa.ArrowException as error:
        message = f"the files of {settings.uri} disagree on the type of a column: {str(error).splitlines()[0]}"
        raise DataError(message) from error
    return files, schema


def _csv(store: Store, paths: Sequence[tuple[str, int]], settings: Data) -> tuple[tuple[File, ...], pa.Schema]:
    headers = [delimited.header(store, path) for path, _ in paths]
    files = tuple(
        _located(store, File(path, size, None, columns=tuple(names)))
        for (path, size), names in zip(paths, headers, strict=True)
    )
    return files, delimited.schema(store, paths[0][0], settings)


def _located(store: Store, file: File) -> File:
    return replace(file, partitions=listing.partitions(store, file.path, file.columns))
