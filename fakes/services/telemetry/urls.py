"""Routes of Application Insights' ingestion."""

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import TELEMETRY
from fakes.core.routing import Auth, Route, Service

r = Handlers("fakes.services.telemetry.responses")

_SOURCE = "applicationinsights, the package that azureml-telemetry sends with"

SERVICE = Service(
    "telemetry",
    TELEMETRY,
    Style.ARM,
    [
        Route("POST", "/v2/track", "Telemetry_Track", r.track, Evidence.PUBLIC_TRACE, _SOURCE),
        Route("POST", "/v2.1/track", "Telemetry_TrackV21", r.track, Evidence.PUBLIC_TRACE, _SOURCE),
    ],
    Auth.NONE,
    "Telemetry",
)
