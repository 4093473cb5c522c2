"""The options of the local backend, and the model that they name."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pydantic import Field

from speech_adapters.config import Options, Settings, parse_options
from speech_adapters.errors import ConfigurationError, MissingExtraError
from speech_adapters.transcript import Provenance

__all__ = ["NAME", "LocalOptions", "local_options", "model_folder", "provenance"]

NAME = "local"
_PACKAGE: Final = "moonshine_voice"
_SPLIT: Final = "Where speakers share a sentence, its words are divided between them by time."


class LocalOptions(Options):
    """Options of ``backends.local``.

    Attributes:
        model_path: folder of another model; by default the one in the engine's package.
        model_arch: the model's architecture: ``tiny``, ``base``, ``tiny_streaming``,
            ``base_streaming``, ``small_streaming`` or ``medium_streaming``.
        language: the language that the model recognizes, as a subtag (``en``).
        diarization_cadence: seconds between two analyses of the speakers, 1 to 10.  A
            smaller value is more accurate and slower.
    """

    model_path: Path | None = None
    model_arch: str = "tiny"
    language: str = "en"
    diarization_cadence: float = Field(default=2.0, ge=1.0, le=10.0)


def local_options(settings: Settings) -> LocalOptions:
    """Return this backend's options from the settings.

    Raises:
        MissingExtraError: the engine's package is not installed.
        ConfigurationError: an option is wrong, or the model's folder does not exist.
    """
    options = parse_options(LocalOptions, NAME, settings.backends.get(NAME, {}))
    model_folder(options)
    return options


def model_folder(options: LocalOptions) -> Path:
    """Return the folder of the model.

    Raises:
        MissingExtraError: the engine's package is not installed.
        ConfigurationError: the folder does not exist.
    """
    folder = options.model_path or _shipped_model()
    if not folder.is_dir():
        raise ConfigurationError(
            f"There is no model in {folder}: set backends.local.model_path to a folder that"
            " holds one, or leave it out to use the model that the engine's package ships."
        )
    return folder


def provenance() -> Provenance:
    """Return the provenance of the engine's transcripts."""
    return Provenance(NAME, f"moonshine-voice {version('moonshine-voice')}", emulated=(_SPLIT,))


def _shipped_model() -> Path:
    # Found without an import, which would load the native library into the program.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "The local backend needs the package moonshine-voice, which is not installed:"
            ' pip install "speech-compat[local]"'
        )
    return Path(spec.origin).parent / "assets" / "tiny-en"
