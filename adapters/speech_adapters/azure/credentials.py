"""Credentials of the Speech resource, and the one order in which they are chosen.

Every backend with such a service uses the first of these that is set (``batch``, ``fast``,
``realtime``, ``remote_meeting``):

1. the backend's own option ``key``;
2. the backend's own option ``credential`` (DefaultAzureCredential of azure-identity);
3. the program's azure-identity credential;
4. the program's authorization token, which is read again for every request;
5. the program's subscription key.

Blob Storage accepts neither a key nor a token of the Speech resource: see
:func:`storage_credential`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, Protocol

import attrs
from pydantic import SecretStr

from speech_adapters.azure.user_agent import user_agent
from speech_adapters.config import Service, missing_option
from speech_adapters.errors import AuthenticationError
from speech_adapters.extras import need_packages
from speech_adapters.masking import masked_cause

__all__ = [
    "CredentialOptions",
    "CredentialSource",
    "Credentials",
    "TokenProvider",
    "check_credentials",
    "choose_credentials",
    "default_credential",
    "find_source",
    "storage_credential",
]

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
_EARLY_SECONDS: Final = 300.0
# The extra of a backend, if it has another name.
_EXTRAS: Final = {"fast": "batch"}


class CredentialOptions(Protocol):
    """The options of a backend that name a credential."""

    @property
    def key(self) -> SecretStr:
        """The key of the Speech resource, or empty."""
        ...

    @property
    def credential(self) -> str:
        """``default`` for DefaultAzureCredential, or empty."""
        ...


class CredentialSource(Enum):
    """Where a credential is set, in the order of precedence."""

    OPTIONS_KEY = auto()
    OPTIONS_CREDENTIAL = auto()
    PROGRAM_CREDENTIAL = auto()
    PROGRAM_TOKEN = auto()
    PROGRAM_KEY = auto()


@attrs.frozen(kw_only=True)
class Credentials:
    """The credential that was chosen: exactly one attribute is set.

    Attributes:
        key: subscription key of the Speech resource, or empty.
        credential: an azure-identity credential, with ``get_token(scope)``.
        token: function that returns the program's token that is valid now.
    """

    key: str = attrs.field(default="", repr=False)
    credential: Any = attrs.field(default=None, repr=False)
    token: Callable[[], str] | None = attrs.field(default=None, repr=False)


def find_source(options: CredentialOptions, service: Service) -> CredentialSource | None:
    """Return the first source of a credential that is set, or ``None``; it is not used yet."""
    is_set = {
        CredentialSource.OPTIONS_KEY: bool(options.key.get_secret_value()),
        CredentialSource.OPTIONS_CREDENTIAL: bool(options.credential),
        CredentialSource.PROGRAM_CREDENTIAL: service.credential is not None,
        CredentialSource.PROGRAM_TOKEN: service.token is not None,
        CredentialSource.PROGRAM_KEY: bool(service.key.get_secret_value()),
    }
    return next((source for source in CredentialSource if is_set[source]), None)


def check_credentials(
    backend: str, options: CredentialOptions, service: Service
) -> CredentialSource:
    """Return the source of the credential; neither a package nor a network is needed.

    Raises:
        ConfigurationError: no credential is set.
    """
    source = find_source(options, service)
    if source is None:
        raise missing_option(backend, "key or credential", "of your Speech resource")
    return source


def choose_credentials(backend: str, options: CredentialOptions, service: Service) -> Credentials:
    """Return the credential for requests to the Speech resource, by the order of the module.

    Args:
        backend: name of the backend, for error messages.
        options: the backend's own options.
        service: the resource named in the program's configuration.

    Raises:
        ConfigurationError: no credential is set.
        MissingExtraError: azure-identity is needed and not installed.
    """
    match check_credentials(backend, options, service):
        case CredentialSource.OPTIONS_KEY:
            return Credentials(key=options.key.get_secret_value())
        case CredentialSource.OPTIONS_CREDENTIAL:
            return Credentials(credential=default_credential(backend))
        case CredentialSource.PROGRAM_CREDENTIAL:
            return Credentials(credential=service.credential)
        case CredentialSource.PROGRAM_TOKEN:
            return Credentials(token=service.token)
        case CredentialSource.PROGRAM_KEY:
            return Credentials(key=service.key.get_secret_value())


def storage_credential(options: CredentialOptions, service: Service) -> Any:
    """Return the azure-identity credential for Blob Storage, or ``None`` if there is none.

    The option ``credential`` comes before the program's credential.  It is used even if the
    Speech resource itself is used with a key.

    Raises:
        MissingExtraError: azure-identity is needed and not installed.
    """
    return default_credential("batch") if options.credential else service.credential


def default_credential(backend: str) -> Any:
    """Return a new DefaultAzureCredential of azure-identity.

    Raises:
        MissingExtraError: azure-identity is not installed; the message names the extra.
    """
    need_packages(_EXTRAS.get(backend, backend), "azure.identity")
    # Imported only here: it takes long, and most programs use a key.
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(user_agent=user_agent())


class TokenProvider:
    """Provides the token that is valid now.  Thread-safe; blocks while a token is requested.

    A token of an azure-identity credential is cached until five minutes before it expires,
    or until half of its lifetime if that is shorter.  A token of the program is never
    cached, because programs replace it while they run.

    Args:
        credentials: with a credential or a token; a key needs no token.
        prefix: text before each token of a credential, as the Speech SDK needs it.
    """

    def __init__(self, credentials: Credentials, prefix: str = "") -> None:
        self._credentials = credentials
        self._prefix = prefix
        # Held while a token is requested, so that threads that need one at the same time
        # wait for one request instead of sending one each.
        self._lock = threading.Lock()
        self._cached = ""  # the last token of the credential, with the prefix
        self._refresh_at = 0.0  # when the cached token is replaced, seconds since the epoch

    def token(self, refused: str = "") -> str:
        """Return the token that is valid now; empty if the credentials are a key.

        Args:
            refused: a token that the service answered with 401.  It is not returned again
                from the cache.

        Raises:
            AuthenticationError: the credential or the program returns no token.
        """
        if self._credentials.token is not None:
            return self._program_token(self._credentials.token)
        if self._credentials.credential is None:
            return ""
        with self._lock:
            # Another thread may have replaced the refused token in the meantime.
            if time.time() >= self._refresh_at or self._cached == refused:
                self._refresh(self._credentials.credential)
            return self._cached

    def _program_token(self, read: Callable[[], str]) -> str:
        try:
            token = str(read() or "")
        except Exception as error:  # it is the program's own function
            raise AuthenticationError(
                f"The program's function for the token failed: {type(error).__name__}. It must"
                " return the token that is valid now."
            ) from masked_cause(error)
        if not token:
            raise AuthenticationError(
                "The program's authorization token is empty. Set a token that is valid, or a key."
            )
        return token

    def _refresh(self, credential: Any) -> None:
        try:
            found = credential.get_token(SCOPE)
        except Exception as error:  # azure-identity and other packages raise many types
            raise AuthenticationError(
                f"The credential returns no token: {type(error).__name__}. Sign in, or"
                " check the identity's configuration."
            ) from masked_cause(error)
        self._cached = f"{self._prefix}{found.token}"
        # Half of the lifetime keeps short-lived tokens from being requested all the time.
        now = time.time()
        lifetime = found.expires_on - now
        self._refresh_at = now + max(lifetime - _EARLY_SECONDS, lifetime / 2)
