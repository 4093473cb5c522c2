"""The HTTP client of all Azure services: authentication, retries, ``Retry-After``.

Retried are answers 408, 429 and 5xx (docs/protocol/batch-and-fast-rest.md, 2.8) and failed
connections, after growing random pauses or the pause that the service requests; nothing
else is retried.  A request that creates or costs something is retried only if it certainly
did neither.  Credentials are sent to the origin of the configured endpoint only.

tenacity repeats the requests.  Two maintained alternatives were tried and do not keep this
behavior.  ``RetryPolicy`` of azure-core 1.41 repeats a POST after 500, 503 and 504, so a job may
be submitted twice, and none after 429.  It waits as long as ``Retry-After`` demands, be it a day,
its own pauses are not random, and it has no transport for httpx.  The transport of httpx-retries
0.6 decides by the status alone, while 503 proves only with ``Retry-After`` that a POST had no
effect.  It has one limit for its own pauses and for requested ones.  It returns before the body is
read, so a download that breaks off is not repeated, and it cannot send the body of a form twice.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import attrs
import httpx
import tenacity
from anyio.to_thread import run_sync

from speech_adapters.azure.credentials import TokenProvider
from speech_adapters.azure.http_errors import (
    UNSENDABLE,
    RejectedError,
    is_retryable,
    parse_json,
    quoted,
    refusal,
    request_id,
    retry_after,
    target,
    unreachable,
    unsendable,
)
from speech_adapters.azure.limits import AnswerLimits, bound_answer, size_limit
from speech_adapters.azure.multipart import MultipartForm
from speech_adapters.azure.user_agent import user_agent
from speech_adapters.errors import BackendError, TimedOutError
from speech_adapters.masking import mask_library_logs, masked_cause

__all__ = [
    "KeyAuth",
    "RejectedError",
    "RetryPolicy",
    "ServiceClient",
    "TokenAuth",
    "retry_after",
]

# No limit for a free connection: hundreds of meetings that end together take their turn.
_TIMEOUT: Final = httpx.Timeout(30.0, read=300.0, pool=None)
# Large enough that the switch to a worker thread costs little for each chunk.
_CHUNK_BYTES: Final = 1024 * 1024


@attrs.frozen
class RetryPolicy:
    """Number of attempts, and pauses between them.

    Attributes:
        attempts: attempts in total.
        first: upper limit of the first random pause, in seconds; doubled for each further one.
        longest: upper limit of the random pauses, in seconds.  A service may request a pause
            of up to :data:`.http_errors.LONGEST_PAUSE`.
    """

    attempts: int = 5
    first: float = 1.0
    longest: float = 60.0


class KeyAuth(httpx.Auth):
    """Authentication with a subscription key."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the key's header."""
        request.headers["Ocp-Apim-Subscription-Key"] = self._key
        yield request


class TokenAuth(httpx.Auth):
    """Authentication with tokens, each read when a request is sent.

    On 401 the token is refreshed once.

    Args:
        provider: returns the tokens.
        limiter: limits the worker threads in which tokens are requested.
    """

    def __init__(
        self, provider: TokenProvider, limiter: anyio.CapacityLimiter | None = None
    ) -> None:
        self._provider = provider
        self._limiter = limiter
        # While one request waits for a new token, the others wait here and not in a worker
        # thread each: there are few threads, and recordings need them.
        self._lock = anyio.Lock()

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the token's header; if the token is refused, send again with another one."""
        token = await self._token()
        request.headers["Authorization"] = f"Bearer {_bare(token)}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            fresh = await self._token(refused=token)
            if fresh != token:
                request.headers["Authorization"] = f"Bearer {_bare(fresh)}"
                yield request

    async def _token(self, refused: str = "") -> str:
        async with self._lock:
            return await run_sync(self._provider.token, refused, limiter=self._limiter)


class ServiceClient:
    """Sends requests to one service.

    Args:
        base: address that relative ones are added to.  Its origin (scheme, host and port)
            is the only one that receives the credential.
        auth: the credential.
        retry_policy: number of attempts, and pauses between them.
        transport: replaces the network, for tests.
        limits: time and size of answers.
    """

    def __init__(
        self,
        base: str,
        auth: httpx.Auth | None,
        retry_policy: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        limits: AnswerLimits | None = None,
    ) -> None:
        self._auth = auth
        self._retry_policy = retry_policy or RetryPolicy()
        self._limits = limits or AnswerLimits()
        # Without the credential: it is added to single requests after a check of their origin.
        self._client = httpx.AsyncClient(
            base_url=base,
            timeout=_TIMEOUT,
            transport=transport,
            event_hooks={"response": [bound_answer]},
            headers={"Accept-Encoding": "gzip, deflate", "User-Agent": user_agent()},
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: MultipartForm | None = None,
        save_to: Path | None = None,
        signed: bool = False,
        may_retry: Callable[[BaseException], bool] = is_retryable,
    ) -> httpx.Response:
        """Send a request, retry it if that may help, and return an answer of status 2xx.

        Args:
            method: the HTTP method.
            url: relative to the base, or absolute.
            params: query.
            json: body.
            form: body that is read in worker threads while it is sent.
            save_to: file that receives the answer's body, at constant memory; the answer
                that is returned has no content then.
            signed: the address carries its own signature: no credential is sent.
            may_retry: whether the request may be sent again after this error of httpx.  One
                that creates or costs something passes a stricter function than the default.

        Raises:
            AuthenticationError: 401 or 403, or there is no token.
            ThrottledError, UnavailableError: the last attempt was refused too.
            TimedOutError: the answer is not complete in time; there is no other attempt.
            RejectedError: any other refusal, with its status and code.
            BackendError: the address is on another origin than the endpoint and not signed,
                or the answer is too large.
        """
        large = save_to is not None or form is not None
        limits = self._limits
        seconds = limits.result_seconds if large else limits.document_seconds
        size = limits.document_bytes if save_to is None else limits.result_bytes

        async def send() -> httpx.Response:
            request = self._client.build_request(
                method,
                url,
                params=params,
                json=json,
                content=form,
                headers=None if form is None else form.headers,
                extensions=size_limit(size),
            )
            if not signed:
                self._check_origin(request.url)
            try:
                with _time_limit(request, seconds):
                    return await self._exchange(request, None if signed else self._auth, save_to)
            finally:
                if form is not None:
                    with anyio.CancelScope(shield=True):
                        await form.aclose()

        return await self._send_with_retry(send, url, may_retry)

    async def document(self, method: str, url: str, **more: Any) -> tuple[Any, httpx.Response]:
        """Send a request as :meth:`request`; return the JSON document and the answer.

        Raises:
            RejectedError: as :meth:`request`, or the answer is not JSON.
        """
        response = await self.request(method, url, **more)
        try:
            return parse_json(response), response
        except ValueError:
            kind = quoted(response.headers.get("content-type", "nothing known"), 100)
            raise RejectedError(
                f"{target(response)} answered with {kind} instead of"
                f" JSON{request_id(response)} Check the endpoint.",
                response.status_code,
                "",
            ) from None

    async def download(self, url: str, path: Path) -> None:
        """Write the content of a signed address to a file, at constant memory.

        Raises:
            AuthenticationError, ThrottledError, UnavailableError, RejectedError: as
                :meth:`request`.
        """
        await self.request("GET", url, signed=True, save_to=path)

    async def aclose(self) -> None:
        """Close all connections.  Idempotent."""
        await self._client.aclose()

    def _check_origin(self, url: httpx.URL) -> None:
        """Refuse to send the credential to a host that only an answer of the service names."""
        own = self._client.base_url
        if _origin(url) != _origin(own):
            raise BackendError(
                f"The service refers to an address at {_origin(url)}, but the configured endpoint"
                f" is {_origin(own)}: the credential is not sent there. If both are your Speech"
                " resource, set the option endpoint to the first one."
            )

    async def _exchange(
        self, request: httpx.Request, auth: httpx.Auth | None, save_to: Path | None
    ) -> httpx.Response:
        """Send a request once and read its answer.

        Raises:
            httpx.HTTPStatusError: the status is not 2xx; the answer's body is read.
        """
        response = await self._client.send(request, auth=auth, stream=True)
        try:
            if save_to is None or not response.is_success:
                await response.aread()
            response.raise_for_status()
            if save_to is not None:
                await _save(response, save_to)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        return response

    async def _send_with_retry(
        self,
        send: Callable[[], Awaitable[httpx.Response]],
        url: str,
        may_retry: Callable[[BaseException], bool],
    ) -> httpx.Response:
        try:
            with mask_library_logs():
                return await tenacity.AsyncRetrying(
                    retry=tenacity.retry_if_exception(may_retry),
                    stop=tenacity.stop_after_attempt(self._retry_policy.attempts),
                    wait=_pause(self._retry_policy),
                    reraise=True,
                )(send)
        except httpx.HTTPStatusError as error:
            raise refusal(error.response) from None
        except UNSENDABLE as error:
            raise unsendable(url, error) from None
        except httpx.TransportError as error:
            raise unreachable(error) from masked_cause(error)


@contextmanager
def _time_limit(request: httpx.Request, seconds: float) -> Iterator[None]:
    """Limit the whole exchange: the client's own limits begin anew with every byte."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise TimedOutError(
            f"{request.url.host} has not answered {request.method} completely in"
            f" {seconds:g} s. Nothing is lost: ask again later."
        ) from None


async def _save(response: httpx.Response, path: Path) -> None:
    try:
        file = await anyio.open_file(path, "wb")
        try:
            async for chunk in response.aiter_bytes(_CHUNK_BYTES):
                await file.write(chunk)
        finally:
            with anyio.CancelScope(shield=True):
                await file.aclose()
    except OSError as error:
        raise BackendError(
            f"The answer cannot be written to {path.parent}: {error.strerror}. Check the disk;"
            " nothing is lost, ask again later."
        ) from error


def _bare(token: str) -> str:
    """Return a token without what other clients need before it.

    The Speech SDK needs ``aad#RESOURCE_ID#TOKEN``, while REST takes the token alone
    (docs/protocol/batch-and-fast-rest.md, 1); the retired remote clients sent
    the token as it was set, with ``Bearer`` (docs/protocol/legacy-interface.md, 2.5).
    """
    token = token.removeprefix("Bearer ")
    return token.rpartition("#")[2] if token.startswith("aad#") else token


def _origin(url: httpx.URL) -> str:
    """Return scheme, host and port; httpx writes them in lower case, without a default port."""
    return f"{url.scheme}://{url.netloc.decode()}"


def _pause(policy: RetryPolicy) -> Callable[[tenacity.RetryCallState], float]:
    """Return the wait function: the pause that the service requests, or a random growing one."""
    growing = tenacity.wait_random_exponential(policy.first, policy.longest)

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(error, httpx.HTTPStatusError):
            return growing(state)
        requested = retry_after(error.response)
        return growing(state) if requested is None else requested

    return pause
