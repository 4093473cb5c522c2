from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from starlette.responses import PlainTextResponse

import speech_compat as speechsdk
from double.meetings import run
from double.remote_meetings import RemoteMeetings
from double.service import Fault, ServiceDouble
from oracle.test_oracle import why_not
from speech_adapters import JobState, MeetingRequest, Mode
from speech_adapters.azure.credentials import (
    CredentialSource,
    choose_credentials,
)
from speech_adapters.azure.endpoint import ServiceOptions
from speech_adapters.backends.batch.backend import BatchBackend
from speech_adapters.backends.realtime.options import access_of, realtime_options
from speech_adapters.config import Service, Settings, load_settings
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    ConfigurationError,
    MeetingNotFoundError,
)
from speech_adapters.meetings import MeetingService
from speech_compat._session.mapping.requests import settings_of
from speech_compat.testing.loopback import Script

SCOPE = "https://cognitiveservices.azure.com/.default"
STORAGE = "https://account.blob.core.windows.net"
# What a service receives from each source, in the order of precedence.
SENT = {
    CredentialSource.OPTIONS_KEY: "key of the options",
    CredentialSource.OPTIONS_CREDENTIAL: "Bearer default credential",
    CredentialSource.PROGRAM_CREDENTIAL: "Bearer credential of the program",
    CredentialSource.PROGRAM_TOKEN: "Bearer token of the program",
    CredentialSource.PROGRAM_KEY: "key of the program",
}
# Each source with all that come after it.
CASES = [(source, list(SENT)[n:]) for n, source in enumerate(SENT)]
IDS = [source.name for source in SENT]


class Identity:
    """A credential with one token that is valid for an hour."""

    def __init__(self, token: str = "default credential", user_agent: str = "") -> None:
        self._token = token

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == (SCOPE,)
        return AccessToken(self._token, sys.maxsize)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def configure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str, Collection[CredentialSource]], Settings]:
    """Return settings of a backend in which exactly these sources are set."""
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", Identity)

    def make(backend: str, url: str, sources: Collection[CredentialSource]) -> Settings:
        values: dict[CredentialSource, tuple[str, Any]] = {
            CredentialSource.OPTIONS_KEY: (f"backends.{backend}.key", "key of the options"),
            CredentialSource.OPTIONS_CREDENTIAL: (f"backends.{backend}.credential", "default"),
            CredentialSource.PROGRAM_CREDENTIAL: (
                "service.credential",
                Identity("credential of the program"),
            ),
            CredentialSource.PROGRAM_TOKEN: ("service.token", lambda: "token of the program"),
            CredentialSource.PROGRAM_KEY: ("service.key", "key of the program"),
        }
        return load_settings(
            {
                "backend": backend,
                "state_dir": str(tmp_path / "state"),
                f"backends.{backend}.endpoint": url,
                **dict(values[source] for source in sources),
            }
        )

    return make


async def record(meetings: MeetingService, meeting_id: str = "m") -> None:
    session = await meetings.open_session(MeetingRequest(meeting_id, mode=Mode.STORED))
    try:
        await session.push(b"\x01\x00" * 1600)
        await session.finish()
    finally:
        await session.aclose()


def create_backend(settings: Settings) -> None:
    async def work(meetings: MeetingService) -> None:
        meetings.backend()

    run(settings, work)


async def ask_for_a_meeting(meetings: MeetingService) -> None:
    with pytest.raises(MeetingNotFoundError):
        await meetings.status("m")


@pytest.mark.parametrize(("source", "sources"), CASES, ids=IDS)
@pytest.mark.parametrize(("backend", "work"), [("batch", ask_for_a_meeting), ("fast", record)])
def test_rest_services_receive_the_first_credential_that_is_set(
    double: ServiceDouble,
    configure: Callable[..., Settings],
    backend: str,
    work: Callable[[MeetingService], Any],
    source: CredentialSource,
    sources: list[CredentialSource],
) -> None:
    double.accepted = {SENT[source]}
    run(configure(backend, double.url, sources), work)
    assert double.credentials == [SENT[source]]


@pytest.mark.parametrize(("source", "sources"), CASES, ids=IDS)
def test_a_meeting_service_receives_the_first_credential_that_is_set(
    configure: Callable[..., Settings],
    source: CredentialSource,
    sources: list[CredentialSource],
) -> None:
    service = RemoteMeetings(Script())
    service.accepted = {SENT[source]}
    with service.running():
        url = service.rest.removesuffix("/api/v1")
        run(configure("remote_meeting", url, sources), ask_for_a_meeting)
    assert service.credentials == [SENT[source]]


@pytest.mark.parametrize(("source", "sources"), CASES, ids=IDS)
def test_the_realtime_sdk_receives_the_first_credential_that_is_set(
    configure: Callable[..., Settings],
    source: CredentialSource,
    sources: list[CredentialSource],
) -> None:
    if why_not():
        pytest.skip(why_not())
    from speech_adapters.speech_sdk.sdk_config import speech_config

    settings = configure("realtime", "https://name.cognitiveservices.azure.com", sources)
    access = access_of(realtime_options(settings), settings)
    token = access.token_provider().token()
    config = speech_config(MeetingRequest("m"), access, token, 1.0)
    key, token = config.subscription_key, config.authorization_token
    assert (key or f"Bearer {token}") == SENT[source]
    assert not (key and token)


@pytest.mark.parametrize("backend", ["batch", "fast", "realtime", "remote_meeting"])
def test_without_any_credential_every_backend_names_the_options(
    configure: Callable[..., Settings], backend: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"needs backends.{backend}.key or credential"):
        create_backend(configure(backend, "https://host", []))
    with pytest.raises(ConfigurationError, match=r"needs backends.x.key or credential"):
        choose_credentials("x", ServiceOptions(), Service())


# Tokens of the program


@pytest.fixture
def config(double: ServiceDouble, tmp_path: Path) -> speechsdk.SpeechConfig:
    """Return the configuration of a program that signs in with a token."""
    config = speechsdk.SpeechConfig(auth_token="first", region="westeurope")
    for name, value in {
        "backend": "fast",
        "state_dir": str(tmp_path / "state"),
        "backends.fast.endpoint": double.url,
        "backends.fast.retry_seconds": "0",
        "backends.batch.endpoint": double.url,
    }.items():
        config.set_property_by_name(f"speech-compat.{name}", value)
    return config


@pytest.mark.parametrize(("backend", "work"), [("batch", ask_for_a_meeting), ("fast", record)])
def test_a_program_replaces_its_token_between_requests(
    double: ServiceDouble,
    config: speechsdk.SpeechConfig,
    backend: str,
    work: Callable[[MeetingService], Any],
) -> None:
    double.accepted = {"Bearer first", "Bearer second"}
    config.set_property_by_name("speech-compat.backend", backend)

    async def twice(meetings: MeetingService) -> None:
        await work(meetings)
        config.authorization_token = "second"
        await work(meetings)

    run(settings_of(config), twice)
    assert double.credentials == ["Bearer first", "Bearer second"]


def tokens(*values: str) -> Callable[[], str]:
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def with_token(config: speechsdk.SpeechConfig, token: Callable[[], str]) -> Settings:
    settings = settings_of(config)
    service = settings.service.model_copy(update={"token": token})
    return settings.model_copy(update={"service": service})


def test_every_attempt_of_a_request_reads_the_token_again(
    double: ServiceDouble, config: speechsdk.SpeechConfig
) -> None:
    double.faults = [Fault("transcribe", PlainTextResponse("busy", 503))]
    double.accepted = {"Bearer second"}
    run(with_token(config, tokens("first", "second")), record)
    assert double.credentials == ["Bearer second"]  # the first attempt met the fault


def test_after_401_a_token_that_was_replaced_is_sent_and_the_same_one_is_not(
    double: ServiceDouble, config: speechsdk.SpeechConfig
) -> None:
    double.accepted = {"Bearer good"}
    run(with_token(config, tokens("stale", "good")), record)
    assert double.credentials == ["Bearer stale", "Bearer good"]
    assert double.transcribed_seconds == 0.1
    double.credentials.clear()
    with pytest.raises(AuthenticationError, match="Check key, region and roles"):
        run(with_token(config, tokens("stale")), lambda meetings: record(meetings, "other"))
    assert double.credentials == ["Bearer stale"]


@pytest.mark.parametrize("token", ["aad#/subscriptions/x#plain", "Bearer plain", "plain"])
def test_rest_services_receive_a_token_in_their_own_form(
    double: ServiceDouble, config: speechsdk.SpeechConfig, token: str
) -> None:
    double.accepted = {"Bearer plain"}
    run(with_token(config, lambda: token), record)
    assert double.credentials == ["Bearer plain"]


def fail() -> str:
    raise ValueError("secret detail")


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (lambda: "", r"token is empty\. Set a token"),
        (lambda: None, r"token is empty\. Set a token"),
        (fail, r"function for the token failed: ValueError\. It must return"),
    ],
)
def test_a_program_without_a_token_is_an_error_that_keeps_the_meeting(
    double: ServiceDouble,
    config: speechsdk.SpeechConfig,
    token: Callable[[], str],
    message: str,
) -> None:
    with pytest.raises(AuthenticationError, match=message):
        run(with_token(config, token), record)
    assert double.requests == []
    double.accepted = {"Bearer good"}

    async def later(meetings: MeetingService) -> JobState:
        return (await meetings.status("m")).state

    assert run(with_token(config, lambda: "good"), later) is JobState.COMPLETED


# Credentials stay with the endpoint


def test_links_to_another_host_do_not_receive_the_key(
    double: ServiceDouble, configure: Callable[..., Settings]
) -> None:
    settings = configure("batch", double.url, [CredentialSource.OPTIONS_KEY])
    double.accepted = {SENT[CredentialSource.OPTIONS_KEY]}
    # The same server under another name: if the key were sent, it would be accepted.
    double.url = double.url.replace("127.0.0.1", "localhost")

    async def work(meetings: MeetingService) -> None:
        from speech_adapters.backends.batch.api import Submission

        made = Submission("m", "r", ("data:audio/wav;base64,",), "en-US", None, False, 48)
        backend = meetings.backend()
        assert isinstance(backend, BatchBackend)
        await (await backend._connect()).client.submit(made)
        with pytest.raises(BackendError, match=r"localhost:\d+, .*127\.0\.0\.1:\d+: the cred"):
            await meetings.delete("m")

    run(settings, work)
    assert [line.split()[0] for line in double.requests] == ["POST", "GET"]
    assert len(double.jobs) == 1


# Blob Storage


def storage_settings(configure: Callable[..., Settings], *sources: CredentialSource) -> Settings:
    settings = configure("batch", "https://host", sources)
    options = {**settings.backends["batch"], "storage_account_url": STORAGE}
    return settings.model_copy(update={"backends": {"batch": options}})


@pytest.mark.parametrize(
    "source",
    [
        CredentialSource.OPTIONS_KEY,
        CredentialSource.PROGRAM_TOKEN,
        CredentialSource.PROGRAM_KEY,
    ],
)
def test_a_storage_account_needs_more_than_a_key_or_token_of_the_speech_resource(
    configure: Callable[..., Settings], source: CredentialSource
) -> None:
    with pytest.raises(ConfigurationError, match="needs an azure-identity credential, because"):
        create_backend(storage_settings(configure, source))


def test_a_connection_string_needs_no_credential(
    configure: Callable[..., Settings], storage: str
) -> None:
    settings = storage_settings(configure, CredentialSource.PROGRAM_TOKEN)
    options = {**settings.backends["batch"], "storage_connection_string": storage}
    settings = settings.model_copy(update={"backends": {"batch": options}})
    create_backend(settings)


@pytest.mark.parametrize(
    ("sources", "used"),
    [
        ((CredentialSource.OPTIONS_CREDENTIAL,), "default credential"),
        ((CredentialSource.PROGRAM_CREDENTIAL,), "credential of the program"),
        (
            (CredentialSource.OPTIONS_CREDENTIAL, CredentialSource.PROGRAM_CREDENTIAL),
            "default credential",
        ),
        # The key is for the Speech resource; the audio still needs the credential.
        ((CredentialSource.OPTIONS_KEY, CredentialSource.OPTIONS_CREDENTIAL), "default credential"),
        (
            (CredentialSource.OPTIONS_KEY, CredentialSource.PROGRAM_CREDENTIAL),
            "credential of the program",
        ),
    ],
)
def test_a_storage_account_is_opened_with_the_identity(
    configure: Callable[..., Settings], sources: tuple[CredentialSource, ...], used: str
) -> None:
    settings = storage_settings(configure, *sources)

    async def work(meetings: MeetingService) -> Any:
        backend = meetings.backend()
        assert isinstance(backend, BatchBackend)
        storage = (await backend._connect()).storage
        assert storage is not None
        return storage._service.credential

    assert run(settings, work).get_token(SCOPE).token == used
