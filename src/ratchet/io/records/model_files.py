"""The files of a registered version on this machine, downloaded once.

A restarted container reuses its predecessor's files, and needs neither MLflow nor the store.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import structlog

from ratchet.errors import ConfigurationError
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.registered_model import champion_of, exists
from ratchet.settings import Tracking

log = structlog.get_logger()

_PAUSE_SECONDS = 5.0


def files_of(tracking: Tracking, name: str, number: int, cache: Path) -> Path:
    """The folder with a version's files, below `cache`. Raises RatchetError if they are not available."""
    folder = cache / name / str(number)
    if folder.is_dir():
        return folder
    with mlflow_errors(tracking):
        client = connect(tracking)
        if not exists(client, name, number):
            message = f"MLflow at {tracking.uri} has no version {number} of {name}; `ratchet show` lists them"
            raise ConfigurationError(message)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
            found = mlflow.artifacts.download_artifacts(f"models:/{name}/{number}", dst_path=partial)
            shutil.move(found, folder)  # atomic
    return folder


def first_champion(tracking: Tracking, name: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """The number of the champion, once there is one: a server that starts earlier waits without limit."""
    told = False
    with mlflow_errors(tracking):
        client = connect(tracking)
        while (number := champion_of(client, name)) is None:
            if not told:
                log.info("serve.waiting", model=name, why=f"{name} has no champion yet")
                told = True
            sleep(_PAUSE_SECONDS)
    return number
