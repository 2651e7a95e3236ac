"""A server for one version of one engine's model: it responds at once, and predicts once the model is loaded.

`cli` calls it, in a cluster in a Deployment whose pod template names the version; `jobs.promotion.validate` starts one
to try a version.
"""

import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import structlog

from ratchet import background
from ratchet.engines.serving import loaded
from ratchet.errors import ConfigurationError, RatchetError
from ratchet.io.records import model_files
from ratchet.io.serving import scoring_server
from ratchet.io.serving.exchange import Limits
from ratchet.io.serving.scoring_server import ScoringServer
from ratchet.io.serving.tokens import Tokens
from ratchet.settings import Settings, Tracking

log = structlog.get_logger()

# Names a folder that outlives the container; without it, each server uses its own.
_CACHE = "RATCHET_MODELS"
_TRIES = 5
_PAUSE_SECONDS = 5.0


def serve(settings: Settings, engine: str, version: int | None, host: str, port: int) -> None:
    """Serve until a signal arrives.

    version: None is the champion, once there is one. Raises ConfigurationError if the address or the file of tokens
    can't be used, and any error from loading the model.
    """
    file = settings.serving.token_file
    app = ScoringServer(Limits.of(settings.serving), None if file is None else Tokens(Path(file)))
    with ExitStack() as stack:
        loading = background.begin("load-model", _load, settings, engine, version, app, stack)
        try:
            scoring_server.run(app, host, port)
        except OSError as error:
            message = (
                f"the address {host}:{port} can't be used: {error.strerror or error}; --host and --port choose another"
            )
            raise ConfigurationError(message) from error
        if loading.done():
            loading.result()


def _load(settings: Settings, engine: str, version: int | None, app: ScoringServer, stack: ExitStack) -> None:
    begin = time.monotonic()
    try:
        name = settings.registered_name(engine)
        number = version if version is not None else model_files.first_champion(settings.tracking, name)
        cache = os.environ.get(_CACHE) or stack.enter_context(tempfile.TemporaryDirectory(prefix="ratchet-models-"))
        folder = _downloaded(settings.tracking, name, number, Path(cache))
        model = stack.enter_context(loaded(engine, settings, str(folder)))
        app.serve(model.labels, model.both, name, number, model.plan)
        if model.unplanned is not None:
            log.info("serve.unplanned", why=model.unplanned)
        log.info("serve.ready", model=name, version=number, seconds=round(time.monotonic() - begin, 2))
    except BaseException:
        app.failed = True
        raise


def _downloaded(tracking: Tracking, name: str, number: int, cache: Path) -> Path:
    """The version's files; retries, because a brief outage of the store should not repeat the imports."""
    for left in reversed(range(_TRIES)):
        try:
            return model_files.files_of(tracking, name, number, cache)
        except RatchetError as error:
            if left == 0 or error.exit_code != 1:
                raise
            log.warning("serve.retry", why=str(error))
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError
