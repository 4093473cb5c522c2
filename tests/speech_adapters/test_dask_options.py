"""The settings of the executor."""

from __future__ import annotations

import json

import pytest

from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError
from speech_compat.cli.config import show_config


def test_the_default_is_processes_of_this_machine() -> None:
    assert load_settings().executor == "processes"


def test_the_environment_names_the_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_EXECUTOR", "dask")
    monkeypatch.setenv("SPEECH_COMPAT_DASK__SCHEDULER", "tcp://10.0.0.1:8786")
    monkeypatch.setenv("SPEECH_COMPAT_DASK__RESOURCES", '{"local": {"GPU": 1}}')
    settings = load_settings()
    assert settings.executor == "dask"
    assert settings.dask.resources == {"local": {"GPU": 1.0}}
    assert show_config(as_json=True) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["dask.scheduler"]["value"] == "tcp://10.0.0.1:8786"
    assert rows["dask.scheduler"]["source"] == "SPEECH_COMPAT_DASK__SCHEDULER"


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"executor": "desk"}, r"executor: Input should be 'processes' or 'dask'"),
        ({"dask.schedular": "tcp://a:1"}, "no such name; the closest is 'scheduler'"),
        ({"dask.scheduler": "10.0.0.1:8786"}, "dask.scheduler: it must be an address like tcp:"),
        ({"dask.scheduler": "tcp://10.0.0.1"}, "dask.scheduler: it must be an address like"),
        ({"dask.scheduler": "tcp://10.0.0.1:dask"}, "dask.scheduler: "),
        ({"dask.resources.locla.GPU": 1}, r"dask.resources.locla: .*the closest is 'local'"),
        ({"dask.resources.local.GPU": 0}, "greater than 0"),
    ],
)
def test_a_mistake_is_named(properties: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_settings(properties)
