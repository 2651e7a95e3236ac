"""What an MLflow holds, kept and brought back: a history that many rounds of a test begin with is made only once."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow.tracking import MlflowClient

# The folders of the servers that tests have started, by address: each has `mlflow.db` and `artifacts` in it.
server_folders = {}


class Snapshot:
    """A database of MLflow and a folder of its artifacts, as they are now.

    They are brought back at the same place, for the addresses in the database are absolute. What others have added to
    the database since is lost, so a snapshot of a shared MLflow must not outlive the test that made it.
    """

    def __init__(self, database, folder, kept):
        """kept: a folder that does not exist yet. The database may lie in the folder or elsewhere."""
        self._database, self._folder, self._kept = Path(database), Path(folder), Path(kept)
        self._copy_folder(self._folder, self._kept)
        copy_database(self._database, self._kept / "mlflow.db")

    def restore(self):
        for path in self._folder.iterdir():
            if path != self._database:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._copy_folder(self._kept, self._folder)
        copy_database(self._kept / "mlflow.db", self._database)

    def _copy_folder(self, source, to):
        shutil.copytree(source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("mlflow.db"))


def copy_database(source, to):
    """By SQLite itself: MLflow's client or server keeps the file open, so it can't be replaced."""
    with closing(sqlite3.connect(source)) as reader, closing(sqlite3.connect(to, timeout=60)) as writer:
        reader.backup(writer)


def snapshot_of(settings, kept):
    """The MLflow of a model whose experiment, with the folder of its artifacts, is no other model's."""
    uri = settings.tracking.uri
    experiment = MlflowClient(uri).get_experiment_by_name(settings.experiment)
    return Snapshot(_database_of(uri), folder_of(uri, experiment.artifact_location), kept)


def folder_of(tracking_uri, artifact_uri):
    """Where the files of an address of artifacts lie on this machine; None where only MLflow knows."""
    parts = urlsplit(artifact_uri)
    path = unquote(parts.path)
    if parts.scheme in ("", "file"):
        return Path(path)
    if parts.scheme == "mlflow-artifacts" and not parts.netloc and tracking_uri in server_folders:
        return server_folders[tracking_uri] / "artifacts" / path.lstrip("/")
    return None


def _database_of(tracking_uri):
    if tracking_uri in server_folders:
        return server_folders[tracking_uri] / "mlflow.db"
    return Path(unquote(urlsplit(tracking_uri).path.removeprefix("/")))
