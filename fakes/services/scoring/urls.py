"""Routes of deployed services: every path, as the container sees it."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import SCORING
from fakes.core.routing import Auth, Route, Service

r = Handlers("fakes.services.scoring.responses")

_CONSUME = "https://learn.microsoft.com/azure/machine-learning/v1/how-to-consume-web-service"
_SERVER = "azureml-inference-server-http 1.5.1 takes GET, POST and OPTIONS, and answers 405 to the others"
_ROUTES = (
    ("POST", "Scoring_Score", Evidence.SDK_ACCEPTS, f"azureml-core 1.61, Webservice.run; {_CONSUME}"),
    ("GET", "Scoring_Get", Evidence.DOCUMENTED, _CONSUME),
    ("OPTIONS", "Scoring_Options", Evidence.DOCUMENTED, _CONSUME),
    # That front ends pass on what the container then refuses is assumed.
    ("PUT", "Scoring_Put", Evidence.ASSUMED, _SERVER),
    ("PATCH", "Scoring_Patch", Evidence.ASSUMED, _SERVER),
    ("DELETE", "Scoring_Delete", Evidence.ASSUMED, _SERVER),
)

SERVICE = Service(
    "scoring",
    SCORING,
    Style.ARM,
    [
        Route(method, "/{path*}", operation, r.score, evidence, source, locked=False)
        for method, operation, evidence, source in _ROUTES
    ],
    auth=Auth.OWN,
    title="Deployed services",
)
