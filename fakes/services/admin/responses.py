"""Answers of the admin address."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from werkzeug import Response

import fakes
from fakes.core.application import discover
from fakes.core.environ import CA_PEM
from fakes.core.errors import bad_request, not_found
from fakes.core.evidence import Evidence
from fakes.core.exchange import Joined
from fakes.core.routing import Call, empty_response, json_response, operations_of
from fakes.services.signin import azure_cli


@contextlib.contextmanager
def _checked() -> Iterator[None]:
    """Tell a caller what is wrong with its values."""
    try:
        yield
    except (TypeError, ValueError, KeyError) as error:
        raise bad_request(f"{type(error).__name__}: {error}", "InvalidRequestContent") from error


def health(call: Call) -> Response:
    """Answer that the fake is there."""
    bugs = len(call.state.bugs)
    return json_response({"status": "ok", "version": fakes.__version__, "seed": call.state.seed, "bugs": bugs})


def environment(call: Call) -> Response:
    """Answer with what a program needs: names and credentials, and the certificate of the authority."""
    settings = call.state.settings
    return json_response(
        {
            "variables": settings.environment(),
            "azure_cli": azure_cli.files(call.state) if settings.sign_in == "azure-cli" else {},
            "workspace": settings.workspace_name,
            "resource_group": settings.resource_group,
            "subscription_id": settings.subscription_id,
            "region": settings.region,
            "ca_pem": call.request.environ.get(CA_PEM, ""),
        }
    )


def certificate(call: Call) -> Response:
    """Answer with the certificate of the authority."""
    return Response(call.request.environ.get(CA_PEM, ""), 200, content_type="application/x-pem-file")


def reset(call: Call) -> Response:
    """Forget everything."""
    body = call.json_object() if call.body else {}
    unknown = set(body) - {"seed"}
    if unknown:
        raise bad_request(f"Unknown fields: {', '.join(sorted(unknown))}.", "InvalidRequestContent")
    call.state.reset(body.get("seed"))
    return json_response({"seed": call.state.seed})


def export_state(call: Call) -> Response:
    """Answer with the whole state, as a stream."""
    return Response(call.state.pieces(), 200, content_type="application/json; charset=utf-8")


def import_state(call: Call) -> Response:
    """Take a whole state."""
    with _checked():
        call.state.read(Joined(call.content.chunks()))
    return empty_response(204)


def list_transitions(call: Call) -> Response:
    """Answer with the transition rules."""
    return json_response(call.state.transitions.document())


def set_transition(call: Call) -> Response:
    """Set the rule of one kind."""
    kind, body = call.params["kind"], call.json_object()
    with _checked():
        call.state.transitions.set(kind, **body)
    return json_response(call.state.transitions.document()[kind])


def clear_transitions(call: Call) -> Response:
    """Forget one rule or all."""
    call.state.transitions.clear(call.params.get("kind"))
    return empty_response(204)


def list_faults(call: Call) -> Response:
    """Answer with the fault rules and how often each hit."""
    return json_response([asdict(rule) for rule in call.state.faults.rules()])


def add_fault(call: Call) -> Response:
    """Add a fault rule."""
    body = call.json_object()
    with _checked():
        rule = call.state.faults.add(**body)
    return json_response(asdict(rule), 201)


def clear_faults(call: Call) -> Response:
    """Remove every fault rule."""
    call.state.faults.clear()
    return empty_response(204)


def list_requests(call: Call) -> Response:
    """Answer with the last requests and with counts by operation."""
    last = call.number("last", 100, 0, 100_000)
    operation = call.arg("operation")
    entries = [asdict(entry) for entry in call.state.requests.entries(last, operation)]
    return json_response({"counts": call.state.requests.counts(), "requests": entries})


def list_operations(call: Call) -> Response:
    """Answer with everything that the fake implements."""
    counts = call.state.requests.counts()
    return json_response(
        [
            {
                "service": service.name,
                "operation": route.operation,
                "method": route.method,
                "path": route.template,
                "family": service.family,
                "evidence": route.evidence.value,
                "source": route.source,
                "calls": counts.get(route.operation, 0),
            }
            for service, route in operations_of(discover())
        ]
    )


def list_evidence(call: Call) -> Response:
    """Answer with the evidence labels and what they mean."""
    return json_response({label.value: label.meaning for label in Evidence})


def get_clock(call: Call) -> Response:
    """Answer with the time of the fake."""
    return json_response({"now": call.state.clock.iso()})


def set_clock(call: Call) -> Response:
    """Freeze, move or release the clock."""
    body: dict[str, Any] = call.json_object()
    with _checked():
        if set(body) == {"freeze"}:
            call.state.clock.freeze(datetime.fromisoformat(str(body["freeze"]).replace("Z", "+00:00")))
        elif set(body) == {"advance"}:
            call.state.clock.advance(float(body["advance"]))
        elif not body:
            call.state.clock.reset()
        else:
            raise ValueError("give 'freeze' (a time), 'advance' (seconds), or {} for the machine's time")
    return get_clock(call)


def issue_token(call: Call) -> Response:
    """Answer with an access token, for programs that do not sign in by themselves."""
    return json_response({"access_token": call.state.tokens.issue(), "token_type": "Bearer", "expires_in": 3600})


def list_bugs(call: Call) -> Response:
    """Answer with the exceptions that the fake did not expect, tracebacks included."""
    return json_response(call.state.bugs)


def poll_operation(call: Call) -> Response:
    """Answer with a long-running operation as it stands."""
    for operation in call.state.operations.all():
        if operation.id == call.params["id"]:
            return json_response(
                {
                    "id": operation.id,
                    "kind": operation.kind,
                    "target": operation.target,
                    "status": operation.status,
                    "error": operation.error,
                    "polls": operation.polls,
                    "log": operation.log,
                }
            )
    raise not_found(f"There is no operation {call.params['id']}.", "OperationNotFound")
