"""Whether the native library of the Speech SDK works, for a process that may crash."""

from __future__ import annotations

from importlib.metadata import version

from speech_adapters.errors import BackendError

__all__ = ["load_sdk"]


def load_sdk(_: str) -> str:
    """Load the library and create a recognizer with it, which connects to nothing.

    A library that loads may still fail to initialize, for example with another OpenSSL
    (docs/protocol/legacy-interface.md, 1).

    Raises:
        BackendError: the library cannot be loaded or initialized.
    """
    try:
        import azure.cognitiveservices.speech as sdk

        from speech_adapters.request import MeetingRequest
        from speech_adapters.speech_sdk.options import Access
        from speech_adapters.speech_sdk.sdk_config import speech_config

        config = speech_config(MeetingRequest("doctor"), Access(key="none", region="none"), "", 1.0)
        audio = sdk.audio.AudioConfig(stream=sdk.audio.PushAudioInputStream())
        sdk.SpeechRecognizer(config, audio)
    # The SDK raises RuntimeError with a code and a native stack trace of many lines.
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BackendError(f"The Speech SDK's library cannot be used: {reason}.") from None
    return f"Speech SDK {version('azure-cognitiveservices-speech')}"
