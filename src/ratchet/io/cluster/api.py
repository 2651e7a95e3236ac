"""The cluster's API: plain JSON over HTTPS, a deadline for every request, errors classified by remedy.

Requests go out by urllib3 and objects stay what the server sent (docs/decisions/0006). Requests to an unavailable
server are retried within a deadline; every other response is final.
"""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import structlog
import urllib3

from ratchet.errors import ConfigurationError, FailedError, RatchetError, TemporaryError
from ratchet.io.cluster.credentials import Credentials

type Json = dict[str, Any]

log = structlog.get_logger()

PATIENCE_SECONDS = 300.0
# An unresponsive webhook is another application's pod that is starting or broken; the latter should be reported soon.
_WEBHOOK_SECONDS = 60.0
# A server that has just started denies all requests until it has loaded its rules.
_REFUSING_SECONDS = 20.0
_CONNECT_SECONDS = 3.0
_READ_SECONDS = 10.0
_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0
_MOST_LOG_BYTES = 4 * 1024**2
_LONGEST_ANSWER = 400
_TOO_MANY = 429
_REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True)
class Resource:
    """A kind of object: where its collection is, and how an object names its kind."""

    group: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return self.group.removeprefix("apis/").removeprefix("api/")


JOBS = Resource("apis/batch/v1", "jobs", "Job")
CRON_JOBS = Resource("apis/batch/v1", "cronjobs", "CronJob")
APPLICATIONS = Resource("apis/sparkoperator.k8s.io/v1beta2", "sparkapplications", "SparkApplication")
SCHEDULED_APPLICATIONS = Resource(
    "apis/sparkoperator.k8s.io/v1beta2", "scheduledsparkapplications", "ScheduledSparkApplication"
)
PODS = Resource("api/v1", "pods", "Pod")
DEPLOYMENTS = Resource("apis/apps/v1", "deployments", "Deployment")
EVENTS = Resource("api/v1", "events", "Event")
SECRETS = Resource("api/v1", "secrets", "Secret")
LEASES = Resource("apis/coordination.k8s.io/v1", "leases", "Lease")
_REVIEWS = Resource("apis/authentication.k8s.io/v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False)


class AwayError(TemporaryError):
    """The API server, or a service it depends on, is unavailable."""


class Api:
    """The API of one namespace.

    patience: seconds for which a request is retried while the server is unavailable; then TemporaryError is raised.
    """

    def __init__(
        self,
        access: Credentials,
        namespace: str,
        *,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.namespace = namespace
        self._access = access
        self._patience = patience
        self._refusing = _REFUSING_SECONDS if patience else 0.0
        self._refused_since: list[float] = []  # shared by all copies
        self._clock = clock
        self._sleep = sleep
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
            cert_reqs="CERT_REQUIRED" if access.verify else "CERT_NONE",
            ca_certs=access.ca_file,
            cert_file=access.cert_file,
            key_file=access.key_file,
        )

    def get(self, resource: Resource, name: str) -> Json | None:
        """An object; None if there is none of that name."""
        answer = self._patiently("get", resource, name)
        return None if answer.status == HTTPStatus.NOT_FOUND else _object(answer)

    def items(self, resource: Resource, *, labels: str = "", fields: str = "") -> list[Json]:
        """All objects that the selectors match; empty where the cluster doesn't know the kind."""
        chosen = {"labelSelector": labels, "fieldSelector": fields}
        answer = self._patiently("list", resource, query={key: value for key, value in chosen.items() if value})
        return [] if answer.status == HTTPStatus.NOT_FOUND else list(_object(answer).get("items", []))

    def create(self, resource: Resource, body: Json) -> Json | None:
        """The created object; None if one of that name exists. Raises ConfigurationError for an invalid one."""
        answer = self._patiently("create", resource, body=body)
        if answer.status == HTTPStatus.NOT_FOUND:
            message = f"the cluster knows no {resource.plural} in the namespace {self.namespace}: {_words(answer)}"
            raise ConfigurationError(message)
        return None if answer.status == HTTPStatus.CONFLICT else _object(answer)

    def replace(self, resource: Resource, name: str, body: Json) -> Json | None:
        """The object after the update; None if another client changed it first, or it is gone."""
        answer = self._patiently("update", resource, name, body=body)
        gone = answer.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)
        return None if gone else _object(answer)

    def patch(self, resource: Resource, name: str, body: Json) -> Json | None:
        """The object with the body merged into it; None where it is gone."""
        answer = self._patiently("patch", resource, name, body=body)
        return None if answer.status == HTTPStatus.NOT_FOUND else _object(answer)

    def delete(self, resource: Resource, name: str, uid: str) -> None:
        """Delete exactly this object with its dependents, if it exists."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        answer = self._patiently("delete", resource, name, body=body)
        if answer.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            _object(answer)

    def log(self, pod: str, container: str, since: str | None) -> str | None:
        """A container's log, each line prefixed with its time; None if it is not available now.

        since: a time in RFC 3339, whole seconds; None is the beginning.
        """
        query = {"container": container, "timestamps": "true", "limitBytes": str(_MOST_LOG_BYTES)}
        try:
            answer = self._once("get", PODS, f"{pod}/log", None, query | ({"sinceTime": since} if since else {}))
        except AwayError:
            return None
        if answer.status != HTTPStatus.OK:
            return None
        text = answer.data.decode("utf-8", errors="replace")
        # A line truncated by the limit is read in full the next time.
        return text if len(answer.data) < _MOST_LOG_BYTES else text[: text.rfind("\n") + 1]

    def user(self) -> str | None:
        """The name by which the cluster knows this client; None if it does not say. Raises AwayError."""
        try:
            found = self.create(_REVIEWS, {"apiVersion": _REVIEWS.api_version, "kind": _REVIEWS.kind})
        except AwayError:
            raise
        except RatchetError:
            return None
        name = (found or {}).get("status", {}).get("userInfo", {}).get("username")
        return str(name) if name else None

    def at_once(self) -> "Api":
        """A copy without patience: if the server is unavailable, a request raises AwayError at once."""
        hasty = copy.copy(self)
        hasty._patience = 0  # noqa: SLF001  # its own class
        return hasty

    def _patiently(
        self, verb: str, resource: Resource, name: str = "", *, body: Json | None = None, query: Json | None = None
    ) -> urllib3.BaseHTTPResponse:
        begin, pause, told = self._clock(), _SHORTEST_PAUSE, False
        while True:
            try:
                answer = self._once(verb, resource, name, body, query)
            except AwayError as error:
                waited = self._clock() - begin
                limit = min(self._patience, _WEBHOOK_SECONDS) if "webhook" in str(error) else self._patience
                if waited >= limit:
                    raise
                if not told:
                    log.warning("cluster.away", why=str(error))
                told = True
                self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if told:
                    log.info("cluster.back", seconds=round(self._clock() - begin, 1))
                self._refuse(answer, verb, resource)
                return answer

    def _once(
        self, verb: str, resource: Resource, name: str, body: Json | None, query: Json | None
    ) -> urllib3.BaseHTTPResponse:
        method = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
        within = f"/namespaces/{quote(self.namespace)}" * resource.namespaced
        path = f"/{resource.group}{within}/{resource.plural}" + f"/{quote(name)}" * bool(name)
        address = self._access.address.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        content = "application/merge-patch+json" if verb == "patch" else "application/json"
        try:
            headers = {"Accept": "application/json", "Content-Type": content}
            if authorization := self._access.authorization():
                headers["Authorization"] = authorization
            answer = self._pool.request(
                method[verb], address, body=None if body is None else json.dumps(body), headers=headers
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the cluster's API at {self._access.address} does not answer: {_short(str(error))}"
            raise AwayError(message) from error
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == _TOO_MANY:
            message = f"the cluster's API can't {verb} {resource.plural} now ({answer.status}): {_words(answer)}"
            raise AwayError(message)
        self._bear(answer)
        return answer

    def _bear(self, answer: urllib3.BaseHTTPResponse) -> None:
        """Treat a refusal as an outage until it has lasted too long."""
        if answer.status not in _REFUSALS:
            self._refused_since.clear()
            return
        if not self._refused_since:
            self._refused_since.append(self._clock())
        if self._clock() - self._refused_since[0] < self._refusing:
            message = f"the cluster's API at {self._access.address} does not accept requests yet: {_words(answer)}"
            raise AwayError(message)

    def _refuse(self, answer: urllib3.BaseHTTPResponse, verb: str, resource: Resource) -> None:
        if answer.status in _REFUSALS:
            message = (
                f"the cluster lets this account not {verb} {resource.plural} in the namespace {self.namespace}:"
                f" {_words(answer)}"
            )
            raise ConfigurationError(message)


def _object(answer: urllib3.BaseHTTPResponse) -> Json:
    if answer.status >= HTTPStatus.BAD_REQUEST:
        kind: type[RatchetError] = (
            ConfigurationError
            if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
            else FailedError
        )
        message = f"the cluster's API refuses it ({answer.status}): {_words(answer)}"
        raise kind(message)
    try:
        found: Json = json.loads(answer.data)
    except ValueError as error:
        message = f"what answers is no API of a cluster: {_short(answer.data.decode('utf-8', errors='replace'))}"
        raise FailedError(message) from error
    return found


def _words(answer: urllib3.BaseHTTPResponse) -> str:
    """The message in an answer that is a `Status`, else its text."""
    text = answer.data.decode("utf-8", errors="replace")
    try:
        return _short(str(json.loads(text)["message"]))
    except (ValueError, KeyError, TypeError):
        return _short(text) or "no reason is given"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST_ANSWER else words[:_LONGEST_ANSWER] + "…"
