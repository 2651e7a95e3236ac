"""The connection to MLflow: a server or a SQLite file, with a deadline for each request and errors classified by
remedy.

Used by trainers and the registrar. Imports only MLflow's own client.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
from botocore.exceptions import BotoCoreError, ClientError
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList
from mlflow.tracking import MlflowClient
from requests import RequestException

from ratchet.errors import ConfigurationError, FailedError, RatchetError, TemporaryError, without_credentials
from ratchet.settings import Tracking

_LONGEST_ERROR = 300
_TOO_MANY_REQUESTS = 429
_TRANSIENT = frozenset({"TEMPORARILY_UNAVAILABLE", "RESOURCE_EXHAUSTED", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED"})
_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
_REFUSED = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED"})
_CREDENTIALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401"})


@contextmanager
def ignoring_absent() -> Iterator[None]:
    """Ignore MLflow's error for a missing object."""
    try:
        yield
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            raise


def every[T](ask: Callable[[str | None], PagedList[T]]) -> Iterator[T]:
    """What MLflow returns page by page. ask: requests the page of a token; None: the first."""
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def connect(tracking: Tracking) -> MlflowClient:
    """Point MLflow at the configured server or file, and give each of its requests a deadline.

    A missing SQLite file is created by one process at a time, because MLflow's own set-up of a new database fails if a
    second one runs concurrently.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
    uri = tracking.uri
    mlflow.set_tracking_uri(uri)
    if not uri.startswith("sqlite:///"):
        return MlflowClient(uri)
    file = Path(unquote(urlsplit(uri).path.removeprefix("/")))
    file.parent.mkdir(parents=True, exist_ok=True)
    with (file.parent / f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


@contextmanager
def mlflow_errors(tracking: Tracking) -> Iterator[None]:
    """Turn any error from MLflow, its artifact store or the connection into a RatchetError with one sentence."""
    address = tracking.uri
    try:
        yield
    except RatchetError:
        raise
    except MlflowException as error:
        raise _translated(error, address) from error
    except ClientError as error:
        kind = ConfigurationError if error.response["Error"].get("Code") in _CREDENTIALS else FailedError
        raise kind(_sentence("the artifact store of MLflow", address, "refused a request", error)) from error
    except (RequestException, BotoCoreError) as error:
        raise TemporaryError(_sentence("MLflow or its artifact store", address, "does not answer", error)) from error
    except OSError as error:
        raise FailedError(_sentence("MLflow's files", address, "can't be used", error)) from error


def _translated(error: MlflowException, address: str) -> RatchetError:
    text = str(error)
    status = error.get_http_status_code()
    # The client wraps connection trouble, retries included, in an exception whose code says "internal error".
    if "failed with exception" in text or "timeout exception" in text:
        return TemporaryError(_sentence("MLflow", address, "does not answer", error))
    if error.error_code in _REFUSED or status in (401, 403):
        return ConfigurationError(_sentence("MLflow", address, _refusal(status), error))
    if error.error_code in _TRANSIENT or status == _TOO_MANY_REQUESTS or "failed with error code 5" in text:
        return TemporaryError(_sentence("MLflow", address, "is busy or failing", error))
    if error.error_code == "ENDPOINT_NOT_FOUND" or "failed with error code 404" in text:
        return ConfigurationError(_sentence("What answers", address, "is no MLflow server of this version", error))
    return FailedError(_sentence("MLflow", address, "refused a request", error))


def _refusal(status: int) -> str:
    account = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if account and status == HTTPStatus.FORBIDDEN:
        return f"refuses this to the account {account!r}"
    return "refuses the request; look at its credentials, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"


def _sentence(what: str, address: str, happened: str, error: BaseException) -> str:
    detail = " ".join(str(error).split()) or type(error).__name__
    short = detail if len(detail) <= _LONGEST_ERROR else detail[:_LONGEST_ERROR] + "…"
    return without_credentials(f"{what} at {address} {happened}: {short}")
