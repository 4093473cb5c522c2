from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from speech_adapters.backends.local.options import local_options, model_folder, provenance
from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError


def test_the_model_of_the_package_is_the_default() -> None:
    options = local_options(load_settings())
    assert any(model_folder(options).iterdir())
    assert options.diarization_cadence == 2.0


def test_another_model_can_be_named(tmp_path: Path) -> None:
    settings = load_settings({"backends.local.model_path": str(tmp_path)})
    assert model_folder(local_options(settings)) == tmp_path


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("model_path", "/no/such/folder", "There is no model in /no/such/folder"),
        ("diarization_cadence", "11", "diarization_cadence: Input should be less than"),
        ("diarization_cadence", "often", "diarization_cadence: Input should be a valid number"),
        ("colour", "red", "colour: there is no such name"),
    ],
)
def test_a_wrong_option_is_named(name: str, value: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        local_options(load_settings({f"backends.local.{name}": value}))


def test_the_origin_names_engine_and_version() -> None:
    assert provenance().version.startswith("moonshine-voice 0.1.0")


def test_without_the_extra_the_error_names_the_package_to_install() -> None:
    code = """
import importlib.util as util
found = util.find_spec
util.find_spec = lambda name, package=None: None if name == "moonshine_voice" else found(name)
from speech_adapters.config import load_settings
from speech_adapters.meetings import MeetingService
MeetingService(load_settings()).backend()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "MissingExtraError" in done.stderr
    assert 'pip install "speech-compat[local]"' in done.stderr
