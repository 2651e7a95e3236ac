"""Whether a folder is a whole table: neither part of a table with a log, nor a folder of several tables.

Read as plain files, a table with a log would include replaced or deleted rows; `listing` checks this first.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ratchet.errors import DataError, RatchetError
from ratchet.io.table.files import delta, iceberg
from ratchet.io.table.files.filesystem import Store, address

_HUDI = ".hoodie"


def check(store: Store, paths: Iterable[str]) -> None:
    """Raise DataError for a part of a table, several tables, and broken or cyclic links; paths: of all files."""
    for path in paths:
        folder, _, name = path.rpartition("/")
        parent, _, last = folder.rpartition("/")
        if not all(map(_is_shown, store.relative(f"{parent}/.").split("/")[:-1])):
            continue
        if last == _HUDI:
            message = f"{address(store, parent)} is a Hudi table, which can't be read"
            raise DataError(message)
        if last == delta.LOG or (last == iceberg.FOLDER and iceberg.METADATA.fullmatch(name)):
            kind = "Delta" if last == delta.LOG else "Iceberg"
            message = (
                f"{store.uri} holds the {kind} table {address(store, parent)}: one table is read, by its own folder"
            )
            raise DataError(message)
    for parent in _above(store):
        _check_above(store, parent)
    if not store.remote:
        _check_links(store.root)


def _above(store: Store) -> Iterator[str]:
    """The folders of which the table may be a partition, the data or a file."""
    path = store.root
    parent, _, name = path.rpartition("/")
    while parent and (path == store.root or "=" in name or name == "data"):
        yield parent
        path = parent
        parent, _, name = path.rpartition("/")


def _check_above(store: Store, parent: str) -> None:
    try:
        kind = next((kind for kind in (delta, iceberg) if kind.is_one(replace(store, root=parent))), None)
    except RatchetError:  # a user who may read the table may lack access to its parent folders
        return
    if kind is not None:
        name = "Delta" if kind is delta else "Iceberg"
        message = (
            f"{store.uri} is part of the {name} table {address(store, parent)}: the whole table is read, by its folder"
        )
        raise DataError(message)


def _check_links(root: str) -> None:
    """Check links, since Arrow skips broken ones and follows cyclic ones until the path is too long."""
    for folder, folders, names in os.walk(root):
        folders[:] = filter(_is_shown, folders)
        for name in (*folders, *filter(_is_shown, names)):
            if (path := Path(folder, name)).is_symlink():
                _check_link(path, path.resolve(), Path(root).resolve())


def _check_link(path: Path, target: Path, root: Path) -> None:
    if not target.exists():
        message = f"{path} is a link to {target}, which does not exist"
        raise DataError(message)
    # Hidden files count only through links: Kubernetes mounts files this way, and git-annex stores them this way.
    inside = target.is_relative_to(root) and all(map(_is_shown, target.relative_to(root).parts))
    if inside or root.is_relative_to(target):
        message = f"{path} is a link to {target}: rows of the table would count twice"
        raise DataError(message)


def _is_shown(name: str) -> bool:
    return not name.startswith((".", "_"))
