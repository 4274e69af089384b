"""An OpenID Connect provider on loopback: Authlib's authorization server behind aiohttp, which lets everybody in."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "millrace", "pr0vider-s3cret"


class Client:
    """The one client that is registered."""

    def __init__(self, redirect_uri: str) -> None:
        self.client_id = CLIENT_ID
        self.id_token_signed_response_alg = "RS256"
        self._redirect_uri = redirect_uri

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self._redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self._redirect_uri

    def check_client_secret(self, secret: str) -> bool:
        return secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Code:
    """An authorization code, as Authlib asks it."""

    def __init__(self, request: OAuth2Request, text: str) -> None:
        data = request.payload.data
        self.code, self.user = text, request.user
        self.code_challenge = data.get("code_challenge")
        self.code_challenge_method = data.get("code_challenge_method")
        self._redirect_uri, self._scope, self._nonce = request.payload.redirect_uri, request.scope, data.get("nonce")

    def get_redirect_uri(self) -> str:
        return self._redirect_uri

    def get_scope(self) -> str:
        return self._scope

    def get_nonce(self) -> str | None:
        return self._nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Provider:
    """`claims` is what it says of whoever comes; `tamper` may change the ID token on its way out."""

    def __init__(self, redirect_uri: str) -> None:
        self.url = ""
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})
        self.claims: dict[str, Any] = {"sub": "ada-1", "email": "ada@example.org", "email_verified": True}
        self.tamper: Callable[[str], str] = lambda token: token
        self.codes: dict[str, Code] = {}
        self._server = _server(self, Client(redirect_uri))

    async def metadata(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
            }
        )

    async def jwks(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: web.Request) -> web.Response:
        asked = self._server.create_oauth2_request(("GET", str(request.url), dict(request.query), {}))
        grant = self._server.get_consent_grant(asked, end_user="ada")
        status, _, headers = self._server.create_authorization_response(asked, "ada", grant)
        return web.Response(status=status, headers=dict(headers))

    async def token(self, request: web.Request) -> web.Response:
        headers = {"Authorization": request.headers.get("Authorization", "")}
        form = {name: str(value) for name, value in (await request.post()).items()}
        status, body, _ = self._server.create_token_response(("POST", str(request.url), form, headers))
        if "id_token" in body:
            body["id_token"] = self.tamper(body["id_token"])
        return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _server(provider: Provider, client: Client) -> AuthorizationServer:
    class Server(AuthorizationServer):
        def query_client(self, client_id: str) -> Client | None:
            return client if client_id == CLIENT_ID else None

        def save_token(self, token: Any, request: Any) -> None: ...

        def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None: ...

        def create_oauth2_request(self, request: Any) -> Any:
            if isinstance(request, OAuth2Request):
                return request
            method, url, data, headers = request
            made = _Request(method, url.replace("http:", "https:"), headers=headers)  # Authlib asks for TLS
            made.payload, made.given = BasicOAuth2Payload(data), data
            return made

        def handle_response(self, status: int, body: Any, headers: Any) -> Any:
            return status, body, headers

    class CodeGrant(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

        def save_authorization_code(self, code: str, request: Any) -> None:
            provider.codes[code] = Code(request, code)

        def query_authorization_code(self, code: str, client: Any) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            provider.codes.pop(authorization_code.code)

        def authenticate_user(self, authorization_code: Code) -> Any:
            return authorization_code.user

    class IdToken(OpenIDCode):
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return False

        def get_client_claims(self, client: Any) -> dict[str, Any]:
            return {"iss": provider.url, "aud": CLIENT_ID}

        def resolve_client_private_key(self, client: Any) -> Any:
            return KeySet([provider.key])

        def get_encode_header(self, client: Any) -> dict[str, Any]:
            return {"alg": "RS256", "kid": "k1"}

        def generate_user_info(self, user: Any, scope: str) -> dict[str, Any]:
            return dict(provider.claims)

    server = Server()
    server.register_token_generator("default", BearerTokenGenerator(lambda **_: token_urlsafe(24)))
    server.register_grant(CodeGrant, [CodeChallenge(required=True), IdToken(require_nonce=True)])
    return server


class _Request(OAuth2Request):
    given: dict[str, str]

    @property
    def args(self) -> dict[str, str]:
        return self.given if self.method == "GET" else {}

    @property
    def form(self) -> dict[str, str]:
        return self.given if self.method == "POST" else {}


@asynccontextmanager
async def serving(redirect_uri: str) -> AsyncIterator[Provider]:
    """A provider whose only client comes back at `redirect_uri`."""
    provider = Provider(redirect_uri)
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.metadata)
    app.router.add_get("/jwks", provider.jwks)
    app.router.add_get("/authorize", provider.authorize)
    app.router.add_post("/token", provider.token)
    async with TestServer(app) as server:
        provider.url = str(server.make_url("")).rstrip("/")
        assert urlsplit(provider.url).hostname == "127.0.0.1"
        yield provider
