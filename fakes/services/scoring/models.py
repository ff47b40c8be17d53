"""What stands between a client and a container, as Azure's front ends behave. No HTTP routes.

Sources: https://github.com/MicrosoftDocs/azure-docs/issues/68044 (overloaded); issues 450 (closed connection), 1004 (no
replica), 1065 (queue) and 1624 (longest time-out) of https://github.com/Azure/MachineLearningNotebooks; Microsoft's
how-to-troubleshoot-deployment (v1) for 502, 503 and 504; how-to-deploy-azure-kubernetes-service (v1) for the traffic of
endpoint versions.
"""

from __future__ import annotations

import contextlib
import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fakes.core.state import Backend
from fakes.hosting.forward import HostAnswer, NoAnswer, TooSlow, forward
from fakes.hosting.gate import Overloaded
from fakes.services.webservices import tokens, words
from fakes.services.webservices.addresses import scoring_path
from fakes.services.webservices.defaults import MAX_PAYLOAD
from fakes.services.webservices.deploying import slots
from fakes.services.webservices.models import Webservices
from fakes.services.webservices.records import HEALTHY, UNHEALTHY, Deployment, Unit, Webservice
from fakes.services.webservices.words import ACI

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.services.webservices.runtime import Running

# ACI's front end has no setting for it; 60 s: https://github.com/MicrosoftDocs/azure-docs/issues/24800.
ACI_TIMEOUT_MS = 60_000
ACI_QUEUE_MS = 30_000


@dataclass(eq=False)
class Refused(Exception):
    """The front end answers by itself."""

    status: int
    message: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Target:
    """One request's way: the service, the unit that answers it, and the path inside the container."""

    service: Webservice
    unit: Unit
    path: str


class Frontends(Backend):
    """Answers requests to services. None of its methods is called under the state lock.

    Attributes
    ----------
    aci_timeout_ms : int
        After this long ACI gives a request up.
    """

    name: ClassVar[str] = "scoring"
    exported: ClassVar[tuple[str, ...]] = ("aci_timeout_ms", "max_payload")

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.aci_timeout_ms = ACI_TIMEOUT_MS
        self.max_payload = MAX_PAYLOAD

    def answer(
        self,
        hostname: str,
        method: str,
        path: str,
        query: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        authorization: str | None,
    ) -> tuple[HostAnswer, Target]:
        """Send one request through the front end.

        Raises
        ------
        Refused
            The front end answers by itself: no such service, not allowed, too large, too many, too slow, broken.
        """
        with contextlib.ExitStack() as stack:
            with self.state.lock:
                target = self._route(hostname, path)
                self._authorize(target.service, authorization)
                deployment = target.unit.serving
                times = self._times(target.unit)
                running = self._services.runtime.get(deployment.id) if deployment else None
                if running is not None:
                    # Seen together with what serves: an update waits for this request before it ends the process.
                    stack.enter_context(running.gate.present())
            inner = target.path + (f"?{query}" if query else "")
            return self._forward(target, deployment, running, times, (method, inner, headers, body)), target

    def _forward(
        self,
        target: Target,
        deployment: Deployment | None,
        running: Running | None,
        times: tuple[float, float],
        request: tuple[str, str, Iterable[tuple[str, str]], bytes],
    ) -> HostAnswer:
        service, unit, body = target.service, target.unit, request[-1]
        wait, timeout = times
        if service.compute_type != ACI and len(body) > self.max_payload:
            raise Refused(413, f"Request body is larger than {self.max_payload} bytes")
        if deployment is None or running is None or running.host is None:
            raise Refused(503, words.no_replica(service.name))
        _scale(unit, running)
        try:
            with running.gate.slot(wait):
                port = running.host.port
                if port is None or not running.host.running:
                    raise NoAnswer
                return forward(port, *request, timeout=timeout)
        except Overloaded as full:
            raise Refused(503, words.overloaded(service.name)) from full
        except TooSlow as slow:
            if service.compute_type == ACI:
                raise Refused(502, words.ACI_TIMEOUT) from slow
            raise Refused(
                504, f"Timed out waiting {int(timeout * 1000)} ms for a reply of service {service.name}"
            ) from slow
        except NoAnswer as gone:
            raise self._broken(service, unit, deployment, running) from gone

    @property
    def _services(self) -> Webservices:
        return self.state.backend(Webservices)

    def _route(self, hostname: str, path: str) -> Target:
        services = self._services.at(hostname)
        for service in services:
            base = scoring_path(service).rpartition("/")[0]
            if path == base or path.startswith(f"{base}/"):
                return Target(service, self._choose(service), path[len(base) :] or "/")
        if services:
            known = ", ".join(scoring_path(service) for service in services)
            raise Refused(404, f"No service at {path} on {hostname}; there is {known}")
        raise Refused(404, f"No service is deployed at {hostname}")

    def _choose(self, service: Webservice) -> Unit:
        """Pick a version by its share; what no share claims goes to the default version."""
        units = list(service.units.values())
        if len(units) == 1:
            return units[0]
        drawn = self.state.ids.random() * 100
        for unit in units:
            drawn -= unit.traffic
            if drawn < 0:
                return unit
        return service.default_unit() or units[0]

    def _authorize(self, service: Webservice, authorization: str | None) -> None:
        settings = service.settings
        keys, token = bool(settings.get("authEnabled")), bool(settings.get("aadAuthEnabled"))
        if not keys and not token:
            return
        scheme, _, given = (authorization or "").partition(" ")
        given = given.strip()
        challenge = (("WWW-Authenticate", "Bearer"),)
        if not given or scheme.casefold() != "bearer":
            raise Refused(401, "Unauthorized, no Auth Header", challenge)
        if token:
            if not tokens.accepted(self.state, service, given):
                raise Refused(401, "Unauthorized, invalid or expired token", challenge)
            return
        valid = [hmac.compare_digest(given.encode(), k.encode()) for k in (service.primary_key, service.secondary_key)]
        if not any(valid):
            raise Refused(401, "Unauthorized, invalid key", challenge)

    def _times(self, unit: Unit) -> tuple[float, float]:
        if unit.compute_type == ACI:
            return ACI_QUEUE_MS / 1000, self.aci_timeout_ms / 1000
        return unit.settings["maxQueueWaitMs"] / 1000, unit.settings["scoringTimeoutMs"] / 1000

    def _broken(self, service: Webservice, unit: Unit, deployment: Deployment, running: Running) -> Refused:
        """The container ended or closed the connection: say so, and start it again as Kubernetes would."""
        host = running.host
        if host is None or host.wait_exit(1.0) is None:
            return Refused(502, words.CLOSED)
        restarting = self._services.runtime.restart_later(
            running, self.state.background, lambda came_up: self._mark(deployment, came_up)
        )
        first = unit.state == HEALTHY
        self._mark(deployment, False, "Container is being restarted" if restarting else "CrashLoopBackOff")
        return Refused(502, words.CLOSED) if first else Refused(503, words.no_replica(service.name))

    def _mark(self, deployment: Deployment, healthy: bool, why: str = "CrashLoopBackOff") -> None:
        """Note whether the container of a deployment serves, on every unit that it stands behind."""
        with self.state.lock:
            everything = [s for services in self._services.items.values() for s in services.values()]
            for service, unit in [(s, u) for s in everything for u in s.units.values()]:
                if unit.serving is None or unit.serving.id != deployment.id:
                    continue
                unit.state = HEALTHY if healthy else UNHEALTHY
                message = f"The container of {service.name} ended while it served: {why}."
                error = {"code": "CrashLoopBackOff", "statusCode": 503, "message": message, "details": []}
                unit.error = None if healthy else error


def _scale(unit: Unit, running: Running) -> None:
    """Give an autoscaled unit more replicas when it is busier than its target, at most doubling in one period."""
    if unit.compute_type == ACI or not unit.settings["autoScaler"]["autoscaleEnabled"]:
        return
    scaler = unit.settings["autoScaler"]
    low, high = int(scaler["minReplicas"]), int(scaler["maxReplicas"])
    now = time.monotonic()
    with running.lock:
        if now - running.scaled_at < scaler["refreshPeriodInSeconds"]:
            return
        busy = running.gate.load * 100
        count = running.replicas or low
        if busy > scaler["targetUtilization"]:
            wanted = min(high, count * 2)
        elif busy < scaler["targetUtilization"] / 2:
            wanted = max(low, count - 1)
        else:
            wanted = count
        running.scaled_at = now
        if wanted != count or running.replicas == 0:
            running.replicas = max(low, min(high, wanted))
            running.gate.resize(slots(unit, running.replicas))
