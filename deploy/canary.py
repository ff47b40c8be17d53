"""A canary: a share of the traffic for a new version, watched beside the running one, then all of it or none.

Which version answers is told by the header ``x-model-digest``, which the scoring host computes from what it loaded,
so this works wherever traffic can be shared, with no help from the gateway or the cloud.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from deploy.errors import CanaryFailed, DeployConflict, DeployError, ServiceNotFound
from deploy.images import Progress
from deploy.services import Answer, DeployRequest, Revision, Services
from deploy.smoke import DIGEST_HEADER


@dataclass(frozen=True)
class Rule:
    """When a canary is taken back."""

    requests: int = 50
    """Answers of the canary to see before deciding."""
    max_errors: float = 0.0
    """Share of failed answers, 0 to 1."""
    max_latency_ratio: float = 2.0
    """Mean latency over the running version's."""
    latency_floor_ms: float = 20.0
    """Means below this are never too slow: their ratio would be noise."""
    max_disagreement: float = 0.25
    """How far answers may lie from the running version's, see :func:`disagreement`."""


@dataclass
class Observation:
    """What was seen of one version."""

    model: str
    answers: int = 0
    errors: int = 0
    seconds: list[float] = field(default_factory=list, repr=False)
    disagreement: float | None = None

    @property
    def error_rate(self) -> float:
        """Share of failed answers."""
        return self.errors / self.answers if self.answers else 0.0

    @property
    def mean_ms(self) -> float | None:
        """Mean latency of the answers, in milliseconds."""
        return fmean(self.seconds) * 1000 if self.seconds else None

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON."""
        document = asdict(self)
        document.pop("seconds")
        return {**document, "error_rate": self.error_rate, "mean_ms": self.mean_ms}


@dataclass(frozen=True)
class CanaryReport:
    """How it ended."""

    promoted: bool
    reason: str
    canary: Observation
    running: Observation | None
    """``None`` where nothing ran before."""

    def to_json(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "promoted": self.promoted,
            "reason": self.reason,
            "canary": self.canary.to_json(),
            "running": self.running.to_json() if self.running else None,
        }


def release(
    services: Services,
    request: DeployRequest,
    *,
    percent: int,
    probes: Sequence[bytes],
    rule: Rule | None = None,
    timeout: float = 300.0,
    progress: Progress | None = None,
) -> CanaryReport:
    """Deploy with `percent` of the traffic, watch, then give it everything or take it back.

    Parameters
    ----------
    services : Services
        Any that can share traffic.
    request : DeployRequest
        What to release.
    percent : int
        1 to 99.
    probes : sequence of bytes
        Requests that are sent through the service's address while watching, in turn; both versions must understand
        them. What users send meanwhile is shared in the same way.
    rule : Rule, optional
        When to take it back.
    timeout : float
        Seconds for the deployment, and again for watching.

    Returns
    -------
    CanaryReport
        Of a canary that was promoted.

    Raises
    ------
    deploy.errors.CanaryFailed
        It was taken back; the running version has all traffic again. The error carries the report.
    deploy.errors.DeployFailed
        It did not even become ready.
    """
    rule, say = rule or Rule(), progress or _silent
    name, model = request.service, request.package.model
    before = _running(services, name)
    if before is None or before.model_digest == model.digest:
        why = "nothing ran before" if before is None else f"{before.model} is the same model"
        services.deploy(request, timeout=timeout, progress=progress)
        return CanaryReport(True, f"{why}: it got all traffic at once", Observation(model.reference), None)
    if not probes:
        raise DeployError("a canary cannot be watched without a request to send", hint="give at least one probe")
    deployed = False
    try:
        services.deploy(request, traffic=percent, timeout=timeout, progress=progress)
        deployed = True
        canary = next(item for item in services.revisions(name) if item.model_digest == model.digest and item.traffic)
        say(f"{canary.model} gets {canary.traffic} percent beside {before.model}: watching {rule.requests} answers")
        # Not measured: the first request to a service may have to find its address and keys, which takes seconds.
        _ask(services, name, probes[0])
        report = judge(watch(services, name, canary, before, probes, rule, timeout, say), canary, before, rule)
        if report.promoted:
            say(f"{canary.model} gets all traffic: {report.reason}")
            services.set_traffic(name, {canary.id: 100})
            return report
        services.set_traffic(name, {before.id: 100})
    except BaseException as error:
        if deployed or (not isinstance(error, DeployConflict) and _has_share(services, request, say)):
            say(f"taking {model.reference} back")
            _give_back(services, request, before, say)
        raise
    raise CanaryFailed(
        f"{canary.model} was taken back, {before.model} serves on: {report.reason}",
        phase="canary",
        report=report.to_json(),
        hint=f"mlops services logs {name}; mlops models compare {before.model} {canary.model}",
    )


def _has_share(services: Services, request: DeployRequest, say: Progress) -> bool:
    """Whether a deployment that failed has left the new version with traffic."""
    model = request.package.model
    try:
        return any(item.model_digest == model.digest and item.traffic for item in services.revisions(request.service))
    except Exception as error:
        say(f"whether {model.reference} has a share cannot be seen: {error}; mlops services show {request.service}")
        return False


def _give_back(services: Services, request: DeployRequest, before: Revision, say: Progress) -> None:
    """All traffic to the version before; where that fails too, what went wrong first is what is raised."""
    name = request.service
    try:
        services.set_traffic(name, {before.id: 100})
    except ServiceNotFound as error:
        # Stopped already: the new version had all traffic when the release was broken off.
        version = before.model.rpartition(":")[2]
        say(f"{before.model} does not run any more: {error}")
        say(f"to deploy it again: mlops rollback --stage {request.stage} --to {version}")
    except Exception as error:
        say(f"{before.model} does not have all traffic again: {error}")
        say(f"when the service answers: mlops services traffic {name} {before.id}=100")


def watch(
    services: Services,
    service: str,
    canary: Revision,
    running: Revision,
    probes: Sequence[bytes],
    rule: Rule,
    timeout: float,
    progress: Progress,
) -> dict[str, Observation]:
    """Send probes until the canary has given enough answers (or the deadline passes); observations by digest.

    A probe is sent until both versions have answered it, and then the next one: traffic is shared by turns, so probes
    sent by turns could meet the same version each time, and nothing could be compared.
    """
    seen = {item.model_digest: Observation(item.model) for item in (canary, running)}
    answers: dict[int, dict[str, Any]] = {}
    deadline, number, shown = time.monotonic() + timeout, 0, 0
    met: set[str] = set()
    while seen[canary.model_digest].answers < rule.requests and time.monotonic() < deadline:
        if len(met) == len(seen):
            number, met = number + 1, set()
        probe = number % len(probes)
        begin = time.perf_counter()
        answer = _ask(services, service, probes[probe])
        seconds = time.perf_counter() - begin
        digest = answer.headers.get(DIGEST_HEADER) if answer else None
        # An answer without a digest came from no host: it counts against the one that is new.
        item = seen.get(digest or canary.model_digest)
        if item is None:
            continue
        met.add(digest or canary.model_digest)
        item.answers += 1
        if answer is None or answer.status != 200 or digest is None:
            item.errors += 1
            continue
        item.seconds.append(seconds)
        answers.setdefault(probe, {})[digest] = _value(answer)
        if seen[canary.model_digest].answers >= shown + max(1, rule.requests // 5):
            shown = seen[canary.model_digest].answers
            progress(f"{shown} of {rule.requests} answers of {canary.model}, {seen[canary.model_digest].errors} failed")
    both = [
        (found[canary.model_digest], found[running.model_digest])
        for found in answers.values()
        if canary.model_digest in found and running.model_digest in found
    ]
    if both:
        seen[canary.model_digest].disagreement = disagreement(both)
    return seen


def judge(seen: Mapping[str, Observation], canary: Revision, running: Revision, rule: Rule) -> CanaryReport:
    """Apply the rule."""
    new, old = seen[canary.model_digest], seen[running.model_digest]
    reasons = []
    if new.answers < rule.requests:
        reasons.append(f"only {new.answers} of {rule.requests} answers came in time")
    if new.error_rate > rule.max_errors:
        reasons.append(f"{new.errors} of {new.answers} answers failed (allowed: {rule.max_errors:.1%})")
    mean, other = new.mean_ms, old.mean_ms
    if mean is not None and other is not None and mean > max(rule.latency_floor_ms, rule.max_latency_ratio * other):
        reasons.append(f"mean latency {mean:.1f} ms against {other:.1f} ms (allowed: {rule.max_latency_ratio:g} times)")
    if new.disagreement is None:
        if not reasons:
            reasons.append("no request was answered by both versions, so their answers cannot be compared")
    elif not new.disagreement <= rule.max_disagreement:
        reasons.append(f"answers lie {new.disagreement:.3g} apart (allowed: {rule.max_disagreement:g})")
    if reasons:
        return CanaryReport(False, "; ".join(reasons), new, old)
    text = f"{new.answers} answers, {new.errors} failed, mean {mean or 0:.1f} ms, disagreement {new.disagreement:.3g}"
    return CanaryReport(True, text, new, old)


def disagreement(pairs: Sequence[tuple[Any, Any]]) -> float:
    """How far the answers of two versions to the same requests lie apart.

    Numbers: the mean absolute difference over the mean absolute value of the running version's. Anything else (labels,
    booleans, another structure): the share that differs. Of both, the larger.

    Returns
    -------
    float
        0 for equal answers; infinite if a number is not finite.
    """
    differences, sizes, unequal, compared = 0.0, 0.0, 0, 0
    for new, old in pairs:
        left, right = list(_leaves(new)), list(_leaves(old))
        if len(left) != len(right):
            unequal, compared = unequal + 1, compared + 1
            continue
        for a, b in zip(left, right, strict=True):
            if _number(a) and _number(b):
                if not (math.isfinite(a) and math.isfinite(b)):
                    return math.inf
                differences, sizes = differences + abs(a - b), sizes + abs(b)
            else:
                unequal, compared = unequal + (a != b), compared + 1
    numbers = 0.0 if differences == 0 else (differences / sizes if sizes else math.inf)
    return max(numbers, unequal / compared if compared else 0.0)


def _leaves(value: Any) -> Any:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _leaves(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _running(services: Services, name: str) -> Revision | None:
    try:
        # One without traffic may be left over (on AKS, where deleting it failed): the deployment clears it away.
        revisions = [item for item in services.revisions(name) if item.traffic]
    except ServiceNotFound:
        return None
    if len(revisions) > 1:
        raise DeployError(
            f"service {name!r} shares its traffic among {len(revisions)} revisions already",
            hint=f"mlops services show {name}; mlops services traffic {name} REVISION=100 ends that",
        )
    return revisions[0] if revisions else None


def _ask(services: Services, service: str, body: bytes) -> Answer | None:
    try:
        return services.invoke(service, body)
    except DeployError:
        return None


def _value(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.body.decode("utf-8", "replace")


def _silent(line: str) -> None:
    return None
