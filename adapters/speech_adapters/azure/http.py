"""The one place that knows httpx: credentials, retries, ``Retry-After``, errors.

Retried are 408, 429 and 5xx answers (docs/protocol/batch-and-fast-rest.md, 2.8) and
connections that fail, with growing and random pauses, or the pause that the service asks
for; nothing else is.  Errors name status, code and request id of the service, and never
an address's query, which may hold a signature.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import attrs
import httpx
import tenacity

from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    ConfigurationError,
    RefusedError,
    ThrottledError,
    UnavailableError,
    UnreachableError,
)

__all__ = ["KeyAuth", "Patience", "RejectedError", "ServiceClient", "TokenAuth", "retry_after"]

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_LIFE_LEFT_SECONDS: Final = 300.0
_REQUEST_IDS: Final = ("apim-request-id", "x-ms-request-id", "x-requestid")
_TIMEOUT: Final = httpx.Timeout(30.0, read=300.0)
_TEXT: Final = 300


class RejectedError(RefusedError):
    """The service refused a request for good.

    Attributes:
        status: the HTTP status.
        code: the innermost code of the service's answer, or empty.
    """

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@attrs.frozen
class Patience:
    """How often and how long to try: pauses in seconds grow from ``first`` to ``longest``."""

    attempts: int = 5
    first: float = 1.0
    longest: float = 60.0


class KeyAuth(httpx.Auth):
    """A subscription key."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the key's header."""
        request.headers["Ocp-Apim-Subscription-Key"] = self._key
        yield request


class TokenAuth(httpx.Auth):
    """Tokens of an azure-identity credential, kept until five minutes before they end.

    A token that is refused is got anew, once.
    """

    def __init__(self, credential: Any, scope: str = SCOPE) -> None:
        self._credential = credential
        self._scope = scope
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the token's header."""
        request.headers["Authorization"] = f"Bearer {await self._current(renew=False)}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {await self._current(renew=True)}"
            yield request

    async def _current(self, renew: bool) -> str:
        return await anyio.to_thread.run_sync(partial(self._get, renew))

    def _get(self, renew: bool) -> str:
        with self._lock:
            if renew or time.time() > self._until - _LIFE_LEFT_SECONDS:
                try:
                    got = self._credential.get_token(self._scope)
                except Exception as error:  # its own package names many kinds
                    raise AuthenticationError(
                        f"The credential gives no token: {type(error).__name__}. Sign in, or"
                        " check the identity's configuration."
                    ) from error
                self._token, self._until = got.token, float(got.expires_on)
            return self._token


class ServiceClient:
    """Sends requests to one service.

    Args:
        base: address that relative ones are added to.
        auth: the credential.
        patience: how often and how long to try.
        transport: in place of the network, for tests.
    """

    def __init__(
        self,
        base: str,
        auth: httpx.Auth | None,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._client = httpx.AsyncClient(
            base_url=base, auth=auth, timeout=_TIMEOUT, transport=transport
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        files: Callable[[], Any] | None = None,
        signed: bool = False,
        once: bool = False,
    ) -> httpx.Response:
        """Send a request, again where that may help; gives an answer of 2xx.

        Args:
            method: the HTTP method.
            url: relative to the base, or whole.
            params: query.
            json: body.
            files: makes the parts of a form anew for every attempt.
            signed: the address carries its own signature: no credential is sent.
            once: do not try again, since the first attempt may have had its effect.

        Raises:
            AuthenticationError: 401 or 403.
            ThrottledError, UnavailableError: still refused after all attempts.
            RejectedError: any other refusal, with its status and code.
        """

        async def send() -> httpx.Response:
            extra: dict[str, Any] = {"auth": None} if signed else {}
            response = await self._client.request(
                method, url, params=params, json=json, files=files and files(), **extra
            )
            response.raise_for_status()
            return response

        return await self._insistently(send, 1 if once else self._patience.attempts)

    async def document(self, method: str, url: str, **more: Any) -> tuple[Any, httpx.Response]:
        """Send a request whose answer is a JSON document; gives it with the answer.

        Raises:
            RejectedError: as :meth:`request`, or the answer is no JSON.
        """
        response = await self.request(method, url, **more)
        try:
            return response.json(), response
        except ValueError:
            kind = response.headers.get("content-type", "nothing known")
            raise RejectedError(
                f"{_place(response)} answered with {kind} instead of"
                f" JSON{_request_id(response)} Check the endpoint.",
                response.status_code,
                "",
            ) from None

    async def download(self, url: str, path: Path) -> None:
        """Write what is at a signed address to a file, at constant memory.

        Raises:
            AuthenticationError, ThrottledError, UnavailableError, RejectedError: as
                :meth:`request`.
        """

        async def fetch() -> httpx.Response:
            async with self._client.stream("GET", url, auth=None) as response:
                if response.is_error:
                    await response.aread()  # it says why
                response.raise_for_status()
                with path.open("wb") as file:
                    async for part in response.aiter_bytes():
                        file.write(part)
                return response

        await self._insistently(fetch, self._patience.attempts)

    async def aclose(self) -> None:
        """Close all connections.  Idempotent."""
        await self._client.aclose()

    async def _insistently(
        self, send: Callable[[], Awaitable[httpx.Response]], attempts: int
    ) -> httpx.Response:
        try:
            return await tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception(_may_pass),
                stop=tenacity.stop_after_attempt(attempts),
                wait=_pause(self._patience),
                reraise=True,
            )(send)
        except httpx.HTTPStatusError as error:
            raise _refusal(error.response) from None
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"The endpoint is no address: {error}.") from None
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(
                f"{_host(error)} cannot be reached: {reason}. Check the network,"
                " the region and the endpoint; nothing is lost, ask again later."
            ) from error


def retry_after(response: httpx.Response) -> float | None:
    """Give the pause that an answer asks for, in seconds, or ``None``."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _RETRIED
    return isinstance(error, httpx.TransportError)


def _pause(patience: Patience) -> Callable[[tenacity.RetryCallState], float]:
    """Give what the service asks for, or a pause that grows, with some chance in it."""
    growing = tenacity.wait_random_exponential(patience.first, patience.longest)

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked = retry_after(error.response) if isinstance(error, httpx.HTTPStatusError) else None
        return growing(state) if asked is None else asked

    return pause


def _refusal(response: httpx.Response) -> BackendError:
    status = response.status_code
    code, message = _reason(response)
    what = f"{_place(response)} refused the request ({status}{f' {code}' if code else ''})"
    text = f"{what}: {message or response.reason_phrase}{_request_id(response)}"
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return AuthenticationError(f"{text} Check key, region and roles.")
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ThrottledError(f"{text} Ask again later.")
    if status in _RETRIED:
        return UnavailableError(f"{text} Nothing is lost: ask again later.")
    return RejectedError(text, status, code)


def _reason(response: httpx.Response) -> tuple[str, str]:
    """Give the innermost code and its message; bodies are flat or inside ``error``."""
    try:
        body = response.json()
    except ValueError:
        return "", ""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    code = message = ""
    while isinstance(body, dict):
        code = str(body.get("code") or code)
        message = str(body.get("message") or message)
        body = body.get("innerError") or body.get("innererror")
    return code, message[:_TEXT]


def _place(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url.copy_with(query=None)}"


def _request_id(response: httpx.Response) -> str:
    found = next((response.headers[name] for name in _REQUEST_IDS if name in response.headers), "")
    return f" (request id {found})." if found else "."


def _host(error: httpx.TransportError) -> str:
    try:
        return str(error.request.url.host)
    except RuntimeError:
        return "The service"
