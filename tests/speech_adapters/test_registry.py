from __future__ import annotations

from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from speech_adapters import MeetingRequest, PcmFormat, registry
from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError, NoBackendError, UnsupportedError
from speech_adapters.store import Store


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for a second, broken distribution beside the real entry points."""
    broken = EntryPoint("broken", "no_such_module_anywhere:create", registry.GROUP)

    def entry_points(**wanted: Any) -> EntryPoints:
        return EntryPoints((*metadata.entry_points(group=registry.GROUP), broken)).select(**wanted)

    monkeypatch.setattr(registry, "entry_points", entry_points)


def test_the_local_backend_is_installed_and_the_default() -> None:
    assert "local" in registry.backend_names()
    assert registry.create_backend(load_settings()).name == "local"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NoBackendError, match=r"no backend called 'nope'. Known backends: .*local"):
        registry.create_backend(load_settings({"backend": "nope"}))


@pytest.mark.usefixtures("installed")
def test_a_backend_that_cannot_be_imported_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"'broken' cannot be loaded.*no_such_module"):
        registry.create_backend(load_settings(), "broken")


@pytest.mark.usefixtures("installed")
def test_when_nothing_fits_every_backend_is_listed_with_its_reason() -> None:
    with pytest.raises(NoBackendError) as caught:
        registry.choose_backend(MeetingRequest("m", language="de-DE"), load_settings())
    assert {"local", "broken"} <= caught.value.rejected.keys()
    assert "'de-DE' is not understood" in caught.value.rejected["local"]
    assert "no_such_module" in caught.value.rejected["broken"]
    assert "needs backends.batch.region" in caught.value.rejected["batch"]


def test_what_will_be_lost_is_told_or_refused_in_strict_mode() -> None:
    request = MeetingRequest("m", audio=PcmFormat(channels=8))
    backend, missing = registry.choose_backend(request, load_settings())
    assert backend.name == "local"
    assert [gap.id for gap in missing] == ["channels"]
    with pytest.raises(UnsupportedError, match="channels: 8 channels are mixed down"):
        registry.choose_backend(request, load_settings({"strict": "true"}))


def test_a_meeting_stays_with_the_backend_that_recorded_it() -> None:
    settings = load_settings({"backend": "fast"})
    with Store.open(settings.state_dir) as store:
        store.create(MeetingRequest("m"), "local")
    assert registry.meeting_backend(settings, "m").name == "local"
    with pytest.raises(ConfigurationError, match="The fast backend needs"):
        registry.meeting_backend(settings, "unknown here")
