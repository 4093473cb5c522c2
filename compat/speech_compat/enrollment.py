"""Voice signatures of participants, in place of those that the retired service created."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

# Imported in the function at run time, so that importing the package stays light.
if TYPE_CHECKING:
    from speech_compat._sdk.config import SpeechConfig

__all__ = ["create_voice_signature"]

_logger = logging.getLogger("speech_compat")


def create_voice_signature(*files: str | Path, speech_config: SpeechConfig | None = None) -> str:
    """Create the voice signature of a person from WAV files in which only this person speaks.

    Half a minute of speech is enough.  The text is the argument ``voice_signature`` of
    :class:`~speech_compat.transcription.Participant`; results then have the ``user_id`` of
    the participant who speaks.  Nothing is stored: the signature is biometric data, and the
    program decides where it is kept.  Defects of the recordings are logged as warnings.

    The retired service created signatures by a REST call
    (docs/protocol/legacy-interface.md, 3.4).

    Args:
        files: WAV files of any sample rate.
        speech_config: has properties such as ``speech-compat.backend``; by default, the
            environment and the configuration files are used.

    Returns:
        The signature, a JSON document on one line.

    Raises:
        ValueError: no file is passed.
        SpeechError: a file cannot be used, several people speak in it, or there is too little
            speech; or the configured backend uses no voice signatures.
    """
    if not files:
        raise ValueError("pass at least one WAV file in which the person speaks")
    from speech_adapters.config import load_settings
    from speech_adapters.enrollment import enroll
    from speech_compat._session import event_loop, services
    from speech_compat._session.mapping.requests import settings_of

    settings = load_settings() if speech_config is None else settings_of(speech_config)
    service = services.acquire(settings)
    try:
        enrollment = event_loop.call(enroll, service, [Path(file) for file in files])
    finally:
        services.release(service)
    for warning in enrollment.warnings:
        _logger.warning("%s", warning)
    return enrollment.signature.dump()
