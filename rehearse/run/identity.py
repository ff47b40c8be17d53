"""Who a rehearsed step is: the ``az`` of an agent, and the address at which GitHub gives a job its token.

Both are as a program meets them, so that what signs in on an agent signs in here: a step that is not signed in has an
``az`` that says so, and a job without the permission ``id-token: write`` has no address.

Sources: ``az account get-access-token --help`` (its answer), azure-pipelines-tasks ``AzureCLIV2`` (a folder of its own
for each step in ``AZURE_CONFIG_DIR``), docs.github.com/actions/reference/security/oidc (address, bearer, subject).
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import jwt

LASTS = 300
"""Seconds that a token of GitHub is valid."""

_AZ = '''#!{python} -I
"""What a rehearsal has in the place of the Azure CLI: it gives tokens to a step that is signed in, no more."""
import json, os, sys, urllib.parse, urllib.request
words, folder = sys.argv[1:], os.environ.get("AZURE_CONFIG_DIR", os.path.expanduser("~/.azure"))
if words[:2] != ["account", "get-access-token"]:
    sys.exit("ERROR: the az of a rehearsal knows 'account get-access-token' alone, not " + " ".join(words[:3]))
try:
    with open(os.path.join(folder, "rehearsal.json")) as file:
        known = json.load(file)
except OSError:
    sys.exit("ERROR: Please run 'az login' to setup account.")
given = dict(zip(words[2::2], words[3::2]))
form = {{"grant_type": "client_credentials", "client_id": known["client"], "client_secret": known["secret"],
        "scope": given["--resource"] + "/.default"}}
address = "https://login.microsoftonline.com/" + given.get("--tenant", known["tenant"]) + "/oauth2/v2.0/token"
with urllib.request.urlopen(address, urllib.parse.urlencode(form).encode(), timeout=60) as answer:
    token = json.load(answer)
import time
print(json.dumps({{"accessToken": token["access_token"], "expires_on": int(time.time()) + int(token["expires_in"]),
                  "tenant": known["tenant"], "tokenType": "Bearer"}}))
'''


def install_az(folder: Path) -> Path:
    """Put the stand-in into `folder`; a folder for the search path of steps."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "az"
    program.write_text(_AZ.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    return folder


def az_login(folder: Path, tenant: str, client: str, secret: str) -> dict[str, str]:
    """Leave in `folder` what signs ``az`` in; the variable that leads it there."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "rehearsal.json"
    file.write_text(json.dumps({"tenant": tenant, "client": client, "secret": secret}), encoding="utf-8")
    file.chmod(0o600)
    return {"AZURE_CONFIG_DIR": str(folder)}


class Issuer:
    """GitHub's address for tokens, on this machine alone."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.subjects: dict[str, str] = {}
        self.given = 0
        """How many tokens were asked for and given."""

    def variables(self, subject: str) -> dict[str, str]:
        """What a job with the permission ``id-token: write`` finds in its environment."""
        bearer = secrets.token_urlsafe(16)
        self.subjects[bearer] = subject
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.address}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer,
        }

    def token(self, bearer: str, audience: str) -> str | None:
        """A token for `audience`; ``None`` for a bearer that no job was given."""
        if bearer not in self.subjects:
            return None
        now = int(time.time())
        self.given += 1
        claims = {"iss": "https://token.actions.githubusercontent.com", "sub": self.subjects[bearer], "aud": audience}
        return jwt.encode({**claims, "iat": now, "nbf": now, "exp": now + LASTS}, "rehearsal" * 4, algorithm="HS256")


@contextmanager
def issuer() -> Iterator[Issuer]:
    """Serve it; end with the block."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            bearer = self.headers.get("Authorization", "").partition(" ")[2]
            asked: Mapping[str, list[str]] = parse_qs(urlsplit(self.path).query)
            token = found.token(bearer, asked.get("audience", [""])[0])
            body = json.dumps({"value": token} if token else {"message": "no such job"}).encode()
            self.send_response(200 if token else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    found = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
