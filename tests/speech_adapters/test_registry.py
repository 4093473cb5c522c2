from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any, TypeVar

import anyio
import pytest

from speech_adapters import Gap, MeetingRequest, PcmFormat, registry
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Options, Settings, load_settings
from speech_adapters.errors import ConfigurationError, NoBackendError, UnsupportedError
from speech_adapters.meetings import MeetingService

T = TypeVar("T")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for a second, broken distribution beside the real entry points."""
    broken = EntryPoint("broken", "no_such_module_anywhere:create", registry.GROUP)

    def entry_points(**wanted: Any) -> EntryPoints:
        return EntryPoints((*metadata.entry_points(group=registry.GROUP), broken)).select(**wanted)

    monkeypatch.setattr(registry, "entry_points", entry_points)


def with_service(settings: Settings, work: Callable[[MeetingService], T]) -> T:
    """Call ``work`` with a meeting service, which is closed afterwards."""

    async def run() -> T:
        async with MeetingService(settings) as meetings:
            return work(meetings)

    return anyio.run(run)


def choose(request: MeetingRequest, **properties: str) -> tuple[str, tuple[Gap, ...]]:
    settings = load_settings(properties)

    def work(meetings: MeetingService) -> tuple[str, tuple[Gap, ...]]:
        backend, missing = registry.choose_backend(request, settings, meetings.backend)
        return backend.name, missing

    return with_service(settings, work)


def test_the_local_backend_is_installed_and_the_default() -> None:
    assert "local" in registry.backend_names()
    assert with_service(load_settings(), lambda meetings: meetings.backend().name) == "local"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NoBackendError, match=r"no backend called 'nope'. Known backends: .*local"):
        with_service(load_settings({"backend": "nope"}), MeetingService.backend)


@pytest.mark.usefixtures("installed")
def test_a_backend_that_cannot_be_imported_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"'broken' cannot be loaded.*no_such_module"):
        with_service(load_settings(), lambda meetings: meetings.backend("broken"))


@pytest.mark.usefixtures("installed")
def test_when_nothing_fits_every_backend_is_listed_with_its_reason() -> None:
    with pytest.raises(NoBackendError) as caught:
        choose(MeetingRequest("m", language="de-DE"))
    assert {"local", "broken"} <= caught.value.rejected.keys()
    assert "'de-DE' is not supported" in caught.value.rejected["local"]
    assert "no_such_module" in caught.value.rejected["broken"]
    assert "needs backends.batch.region" in caught.value.rejected["batch"]


def test_losses_are_returned_or_refused_in_strict_mode() -> None:
    request = MeetingRequest("m", audio=PcmFormat(channels=8))
    name, missing = choose(request)
    assert name == "local"
    assert [gap.id for gap in missing] == ["channels"]
    with pytest.raises(UnsupportedError, match="channels: 8 channels are mixed down"):
        choose(request, strict="true")


@pytest.mark.parametrize("takes_host", [True, False])
def test_a_factory_receives_the_host_if_it_has_a_parameter_for_it(
    monkeypatch: pytest.MonkeyPatch, takes_host: bool
) -> None:
    received: list[object] = []

    def with_host(settings: Settings, host: object) -> object:
        received.extend((settings, host))
        return AsyncCloseable()

    def without_host(settings: Settings) -> object:
        received.append(settings)
        return AsyncCloseable()

    factory = with_host if takes_host else without_host
    # Another class than EntryPoint, once Dask has imported the backport importlib_metadata.
    (point,) = metadata.entry_points(group=registry.GROUP, name="local")
    monkeypatch.setattr(type(point), "load", lambda _: factory)
    settings = load_settings()

    def work(meetings: MeetingService) -> None:
        meetings.backend()
        assert received == ([settings, meetings] if takes_host else [settings])

    with_service(settings, work)


def test_every_shipped_backend_has_a_class_for_its_options() -> None:
    for name in registry.backend_names():
        model = registry.options_model(name)
        assert model is not None
        assert issubclass(model, Options)


def test_a_backend_may_publish_no_class_of_options(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("other", "json:dumps", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: EntryPoints((point,)))
    assert registry.options_model("other") is None
    assert not registry.keeps_nothing_elsewhere("other")


@pytest.mark.usefixtures("installed")
def test_the_options_of_a_broken_backend_are_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"'broken' cannot be loaded.*no_such_module"):
        registry.options_model("broken")


def test_the_embedded_engine_and_replay_keep_nothing_elsewhere() -> None:
    names = [name for name in registry.backend_names() if registry.keeps_nothing_elsewhere(name)]
    assert names == ["local", "replay"]


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(NoBackendError, match="the closest is 'remote_meeting'"):
        registry.options_model("remote-meeting")
