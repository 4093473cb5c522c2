"""Voice signatures: the voice of an enrolled person as a vector, in a JSON document.

::

    {"type": "speech-compat voice signature", "version": 1,
     "model": "6e4af7d49562e6e7", "seconds": 21.5, "embedding": [0.0312, ...]}

A signature is compared only with voices that the same embedding model has measured.  Those
of the retired service are recognized and refused: their content can be read by no one else.
Signatures are biometric data, so no error and no ``repr`` contains one.

Programs of the retired service keep its three fields only, so a signature can be wrapped in
them: ``{"Version": 1, "Tag": ..., "Data": ...}``, where ``Tag`` is the type above in base64, and
``Data`` the document (docs/protocol/legacy-interface.md, 3.4).
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from typing import Any, Final

import attrs

from speech_adapters.errors import VoiceSignatureError

__all__ = [
    "MODEL_ID_DIGITS",
    "TYPE",
    "VERSION",
    "VoiceSignature",
    "parse_signature",
    "refusal",
    "wrap_signature",
]

TYPE: Final = "speech-compat voice signature"
VERSION: Final = 1
# Enough to distinguish models; the whole SHA-256 would only be longer.
MODEL_ID_DIGITS: Final = 16
# A signature has about 3,000 characters.
_LONGEST_TEXT: Final = 100_000
_MOST_VALUES: Final = 4_096
# 256 values that are rounded to six decimals change the length by less than a thousandth.
_DECIMALS: Final = 6
_LENGTH_TOLERANCE: Final = 1e-3
# The fields of the retired service's answer and of the signature inside it
# (docs/protocol/legacy-interface.md, 3.4).
_RETIRED_FIELDS: Final = frozenset({"Version", "Tag", "Data", "Signature"})
_TAG: Final = base64.b64encode(TYPE.encode()).decode()


@attrs.frozen
class VoiceSignature:
    """The voice of one person.

    Attributes:
        model: the first 16 hexadecimal digits of the embedding model's SHA-256.
        embedding: the voice as a vector of unit length, as long as the model makes it (256
            with the default one).
        seconds: seconds of speech that it was made from.
    """

    model: str
    embedding: tuple[float, ...] = attrs.field(repr=False)
    seconds: float

    @classmethod
    def of(cls, model_sha256: str, embedding: Sequence[float], speech: float) -> VoiceSignature:
        """Create a signature from what a model measured.

        Args:
            model_sha256: SHA-256 of the model, in hexadecimal digits.
            embedding: the vector, of unit length.
            speech: seconds of speech that it was made from.
        """
        values = tuple(float(value) for value in embedding)
        return cls(model_sha256[:MODEL_ID_DIGITS], values, float(speech))

    def dump(self) -> str:
        """Return the signature as one line of JSON, which :func:`parse_signature` reads."""
        return json.dumps(
            {
                "type": TYPE,
                "version": VERSION,
                "model": self.model,
                "seconds": round(self.seconds, 2),
                "embedding": [round(value, _DECIMALS) for value in self.embedding],
            }
        )


def wrap_signature(signature: VoiceSignature | None) -> dict[str, str | int]:
    """Return a signature in the fields of the retired service, as JSON data.

    Args:
        signature: the signature; ``None`` for a placeholder that no backend uses.
    """
    document = "" if signature is None else signature.dump()
    return {
        "Version": VERSION,
        "Tag": _TAG,
        "Data": base64.b64encode(document.encode()).decode(),
    }


def parse_signature(text: str, model: str = "") -> VoiceSignature:
    """Read a signature.

    Args:
        text: the JSON document, which may be wrapped by :func:`wrap_signature`.
        model: the model id that it must have; empty for any.

    Raises:
        VoiceSignatureError: it cannot be used, for the reason in the message.
    """
    data = _load(text)
    if data.get("Tag") == _TAG:
        data = _unwrap(data)
    if data.get("type") != TYPE:
        raise _refused(_foreign_reason(data))
    version = data.get("version")
    # Not "==": True is equal to 1.
    if type(version) is not int or version != VERSION:
        raise _refused(f"has a version that is unknown here (known is {VERSION})")
    signature = VoiceSignature(_model(data), _embedding(data), _seconds(data))
    if model and signature.model != model:
        raise _refused(
            "was made with another embedding model, so it cannot be compared with the voices of"
            " this one"
        )
    return signature


def refusal(text: str, model: str) -> str:
    """Return why the model of that id cannot use a signature; empty if it can.

    The reason is the rest of a sentence that begins with "it".
    """
    try:
        parse_signature(text, model)
    except VoiceSignatureError as error:
        return error.reason
    return ""


def _load(text: str) -> dict[str, Any]:
    if len(text) > _LONGEST_TEXT:
        raise _refused("is longer than any signature")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):  # their texts may quote it
        raise _refused("is not JSON") from None
    if not isinstance(data, dict):
        raise _refused("is not a JSON object")
    return data


def _unwrap(data: dict[str, Any]) -> dict[str, Any]:
    content: Any = data.get("Data")
    if content == "":
        raise _refused("is a placeholder from a service that creates no voice signatures")
    try:
        return _load(base64.b64decode(content, validate=True).decode())
    except (TypeError, ValueError):  # also of the encoding
        raise _damaged("Data") from None


def _foreign_reason(data: dict[str, Any]) -> str:
    if _RETIRED_FIELDS & data.keys():
        return (
            "was made by the retired service, whose signatures are opaque and cannot be converted"
        )
    return f'is no document of the type "{TYPE}"'


def _model(data: dict[str, Any]) -> str:
    model = data.get("model")
    if not isinstance(model, str) or len(model) != MODEL_ID_DIGITS:
        raise _damaged("model")
    return model


def _seconds(data: dict[str, Any]) -> float:
    seconds = _number(data.get("seconds"))
    if seconds is None or seconds < 0.0:
        raise _damaged("seconds")
    return seconds


def _embedding(data: dict[str, Any]) -> tuple[float, ...]:
    values = data.get("embedding")
    if not isinstance(values, list) or not 1 <= len(values) <= _MOST_VALUES:
        raise _damaged("embedding")
    numbers = [_number(value) for value in values]
    found = tuple(number for number in numbers if number is not None)
    # A vector of another length would shift every comparison, and one of zeros has no angle.
    if len(found) < len(values) or abs(math.hypot(*found) - 1.0) > _LENGTH_TOLERANCE:
        raise _damaged("embedding")
    return found


def _number(value: object) -> float | None:
    """Return a finite number, or ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _damaged(field: str) -> VoiceSignatureError:
    return _refused(f'is damaged: its field "{field}" is missing or wrong')


def _refused(reason: str) -> VoiceSignatureError:
    message = (
        f"The voice signature cannot be used: it {reason}. Create a new one from a recording of"
        " the person, with the command `speech-compat enroll`."
    )
    return VoiceSignatureError(message, reason)
