"""Routes of the sign-in hosts."""

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import SIGNIN
from fakes.core.routing import Auth, Route, Service

responses = Handlers("fakes.services.signin.responses")

_OAUTH = "Microsoft identity platform, OAuth 2.0 client credentials flow"
_SDK = "azureml-core 1.61 with msal 1.39"

SERVICE = Service(
    "signin",
    SIGNIN,
    Style.SIGNIN,
    [
        Route(
            "GET",
            "/{tenant}/v2.0/.well-known/openid-configuration",
            "SignIn_OpenIdConfiguration",
            responses.openid_configuration,
            Evidence.SDK_ACCEPTS,
            _SDK,
        ),
        Route(
            "GET",
            "/{tenant}/.well-known/openid-configuration",
            "SignIn_OpenIdConfigurationV1",
            responses.openid_configuration,
            Evidence.DOCUMENTED,
            _OAUTH,
        ),
        Route(
            "GET",
            "/{tenant}/discovery/instance",
            "SignIn_InstanceDiscovery",
            responses.instance_discovery,
            Evidence.DOCUMENTED,
            _OAUTH,
        ),
        Route("POST", "/{tenant}/oauth2/v2.0/token", "SignIn_Token", responses.token, Evidence.SDK_ACCEPTS, _SDK),
        Route("POST", "/{tenant}/oauth2/token", "SignIn_TokenV1", responses.token, Evidence.DOCUMENTED, _OAUTH),
        Route(
            "GET",
            "/metadata/identity/oauth2/token",
            "SignIn_ManagedIdentityToken",
            responses.managed_identity,
            Evidence.DOCUMENTED,
            "Managed identities for Azure resources: how to use them on an Azure VM to get an access token",
            api_versions=("2018-02-01", "2019-08-01", "2021-02-01", "2017-09-01", "2020-06-01"),
        ),
    ],
    Auth.NONE,
    "Sign-in (Microsoft Entra ID, managed identity)",
)
