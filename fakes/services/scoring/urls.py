"""Routes of deployed services: every path, as the container sees it."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import SCORING
from fakes.core.routing import Auth, Route, Service

r = Handlers("fakes.services.scoring.responses")

# Hosts of entry scripts answer 405 to every other method; here those are a 501.
_NAMES = {"POST": "Scoring_Score", "GET": "Scoring_Get", "OPTIONS": "Scoring_Options"}

SERVICE = Service(
    "scoring",
    SCORING,
    Style.ARM,
    [
        Route(
            method,
            "/{path*}",
            operation,
            r.score,
            Evidence.SDK_ACCEPTS if method == "POST" else Evidence.DOCUMENTED,
            "azureml-core 1.61, Webservice.run; https://learn.microsoft.com/azure/machine-learning/v1/how-to-consume-web-service",
            locked=False,
        )
        for method, operation in _NAMES.items()
    ],
    auth=Auth.OWN,
    title="Deployed services",
)
