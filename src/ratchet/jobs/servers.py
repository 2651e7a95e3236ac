"""Brings the servers of a cluster to what `champion` names, or both back to what they were.

`jobs.rollout` calls it at the end of a cycle, `jobs.promote` where somebody moves `champion` by hand.
"""

import os
import time
from collections.abc import Callable, Collection, Mapping

import structlog
from mlflow.tracking import MlflowClient

from ratchet.errors import FailedError
from ratchet.io import registry
from ratchet.io.cluster import access
from ratchet.io.cluster.api import Api
from ratchet.io.cluster.deployment import ServerDeployment
from ratchet.io.moves import CHAMPION
from ratchet.jobs import conclude
from ratchet.settings import Settings

log = structlog.get_logger()

_POLL_SECONDS = 1.0


class Servers:
    """The servers of all engines in one namespace. api: None is that of this pod, or of the kubeconfig."""

    def __init__(
        self,
        settings: Settings,
        client: MlflowClient,
        api: Api | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._client = client
        self._api = api or _open(settings)
        self._clock = clock
        self._sleep = sleep

    def follow(self, engines: Collection[str], fresh: Collection[str] = ()) -> Mapping[str, str]:
        """Roll each engine's servers to its champion; returns why, for each engine that had to go back.

        fresh: engines whose champion is new, and looked at for a while although its servers may be there already.
        """
        rolling = {}
        for engine in engines:
            servers = ServerDeployment(self._api, engine)
            champion = self._champion(engine)
            if champion is None or not servers.exists():
                continue
            moved = servers.told() != champion
            if moved:
                servers.tell(champion)
                log.info("rollout.begun", deployment=servers.name, version=champion)
            if moved or engine in fresh:
                rolling[engine] = (servers, champion)
        return self._watch(rolling)

    def _watch(self, rolling: Mapping[str, tuple[ServerDeployment, int]]) -> dict[str, str]:
        begin, back, left = self._clock(), dict[str, str](), dict(rolling)
        settling: dict[str, float] = {}
        while left:
            for engine, (servers, version) in list(left.items()):
                why = self._wrong(servers, version, begin, settling)
                if why is not None:
                    back[engine] = self._go_back(engine, servers, version, why)
                    del left[engine]
                elif servers.name in settling and self._settled(settling[servers.name]):
                    log.info("rollout.done", deployment=servers.name, version=version)
                    del left[engine]
            if left:
                self._sleep(_POLL_SECONDS)
        return back

    def _settled(self, since: float) -> bool:
        return self._clock() - since >= self._settings.serving.settle_seconds

    def _wrong(self, servers: ServerDeployment, version: int, begin: float, settling: dict[str, float]) -> str | None:
        """Why a rollout has failed; None where it has not, so far."""
        if servers.name in settling:
            return servers.unwell(version)
        look = servers.look(version)
        if look.state == "ready":
            seconds = round(self._clock() - begin, 1)
            log.info("rollout.ready", deployment=servers.name, version=version, seconds=seconds)
            settling[servers.name] = self._clock()
            return servers.unwell(version)
        limit = self._settings.serving.ready_seconds
        if look.state == "waiting" and self._clock() - begin > limit:
            return f"its servers were not ready within {limit} s: {look.why}"
        return look.why if look.state == "failed" else None

    def _go_back(self, engine: str, servers: ServerDeployment, version: int, why: str) -> str:
        reason = f"version {version} was promoted, and its servers were taken back: {why}"
        name = self._settings.registered_name(engine)
        champion = conclude.go_back(self._client, self._settings, name, version, reason)
        servers.tell(champion)
        log.error("rollout.went_back", deployment=servers.name, version=champion, why=reason)
        return reason

    def _champion(self, engine: str) -> int | None:
        model = registry.registered(self._client, self._settings.registered_name(engine))
        number = None if model is None else model.aliases.get(CHAMPION)
        return None if number is None else int(number)


def follow_by_hand(settings: Settings, client: MlflowClient, model: str) -> None:
    """Roll one model's servers after its champion was moved; raises FailedError where both had to go back."""
    engines = [engine for engine in settings.retrain.engines if settings.registered_name(engine) == model]
    if settings.serving.deployments and (back := Servers(settings, client).follow(engines)):
        raise FailedError(next(iter(back.values())))


def _open(settings: Settings) -> Api:
    namespace = os.environ.get("RATCHET_NAMESPACE") or settings.serving.namespace
    return Api(access.inside() or access.outside(), namespace)
