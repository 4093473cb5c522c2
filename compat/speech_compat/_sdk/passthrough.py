"""Names of the real package that were not retired; they come from it.

Only the transcription of meetings was retired.  The rest still works, and programs mix it with
transcription.  A class of the real package is wrapped, so that it accepts configurations,
streams, languages and members of enumerations of this package.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from fnmatch import fnmatchcase
from functools import cache, wraps
from types import FunctionType, ModuleType
from typing import Any, Final

from speech_compat._sdk.real import DISTRIBUTION, SDK, convert, load, version

__all__ = ["MEMBERS", "NAMES", "MissingSdkError", "passthrough"]

_logger = logging.getLogger("speech_compat")
# Names whose absence was logged.
_logged: set[str] = set()

_SYNTHESIS: Final = "speech synthesis was not retired"
_RECOGNITION: Final = "recognition without speakers was not retired"
_ASSESSMENT: Final = "pronunciation assessment is not part of meeting transcription"
_BOTS: Final = "bots are not part of meeting transcription"
_INTENTS: Final = "intent recognition is not part of meeting transcription"
_KEYWORDS: Final = "keyword recognition is not part of meeting transcription"
_SPEAKERS: Final = "recognition of enrolled speakers is not part of meeting transcription"
_NATIVE: Final = "it belongs to the native library"

# Patterns of public names, whatever their module, for errors and docs/compatibility.md; the
# first match counts.  Other public names of the real package are passed through too.
NAMES: Final = {
    "*Synthes*": _SYNTHESIS,
    "VoiceInfo": _SYNTHESIS,
    "AudioDataStream": _SYNTHESIS,
    "StreamStatus": _SYNTHESIS,
    "AudioOutput*": _SYNTHESIS,
    "P*AudioOutputStream*": _SYNTHESIS,
    "*Translation*": "speech translation was not retired",
    "translation": "speech translation was not retired",
    "SpeechRecognizer": _RECOGNITION,
    "SpeechRecognitionModelInfo": _RECOGNITION,
    "EmbeddedSpeechConfig": _RECOGNITION,
    "SourceLanguageRecognizer": _RECOGNITION,
    "AutoDetectSourceLanguageResult": _RECOGNITION,
    "GrammarPhrase": _RECOGNITION,
    "RecognitionFactorScope": _RECOGNITION,
    "Pronunciation*": _ASSESSMENT,
    "ContentAssessment*": _ASSESSMENT,
    "SyllableLevel*": _ASSESSMENT,
    "Keyword*": _KEYWORDS,
    "dialog": _BOTS,
    "ActivityJSONType": _BOTS,
    "intent": _INTENTS,
    "Intent*": _INTENTS,
    "VoiceProfile*": _SPEAKERS,
    "Speaker*": _SPEAKERS,
    "LogLevel": _NATIVE,
    "diagnostics": _NATIVE,
    "interop": _NATIVE,
    "max_uint32": _NATIVE,
}
# Patterns of members that classes of this package do not have.
MEMBERS: Final = {"Connection.DialogServiceConnector": _BOTS}


class MissingSdkError(AttributeError, NotImplementedError):
    """A name of the real package is used, which cannot be imported.

    An AttributeError, so that ``hasattr`` and ``getattr`` with a default work, and ``from ...
    import`` raises ImportError.
    """


def passthrough(module: str) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for ``module`` with the names of the real package's module.

    The function raises MissingSdkError if the real package cannot be imported, and
    AttributeError for a name that it does not have.
    """
    submodule = module.removeprefix("speech_compat").removeprefix(".")

    def find(name: str) -> Any:
        if name == "__version__" and not submodule:
            return version()
        unknown = AttributeError(f"module {module!r} has no attribute {name!r}")
        if name.startswith("_"):
            raise unknown
        try:
            value = getattr(load(submodule), name)
        except ImportError as error:
            raise _missing(module, name, error) or unknown from error
        except AttributeError:
            raise unknown from None
        return _public(value, unknown)

    return find


def _missing(module: str, name: str, error: ImportError) -> MissingSdkError | None:
    reason = next((why for pattern, why in NAMES.items() if fnmatchcase(name, pattern)), None)
    if reason is None:
        return None
    text = (
        f"{module}.{name} is that of {DISTRIBUTION}, since {reason}. That package cannot be"
        f" imported ({error}): install it, for example with pip install 'speech-compat[realtime]'."
    )
    # Logged too, since `from ... import` and hasattr() drop the text.
    if name not in _logged:
        _logged.add(name)
        _logger.warning("%s", text)
    return MissingSdkError(text)


def _public(value: Any, unknown: AttributeError) -> Any:
    """Return this package's counterpart of a module or class, or wrap the class."""
    if isinstance(value, ModuleType):
        return importlib.import_module(_place(value.__name__, unknown))
    if not inspect.isclass(value):
        return value
    twin = _twin(value, unknown)
    if twin is not None or issubclass(value, Enum):
        return twin or value
    original: Any = value
    return _wrapped(original)


def _place(module: str, unknown: AttributeError) -> str:
    """Return the name of this package's module for one of the real package."""
    if not f"{module}.".startswith(f"{SDK}."):
        raise unknown  # what the real package itself has imported, such as ctypes
    return "speech_compat" + module.removeprefix(SDK)


def _twin(kind: type, unknown: AttributeError) -> Any:
    place = importlib.import_module(_place(kind.__module__, unknown))
    return vars(place).get(kind.__qualname__)


class _SdkClass(type):
    """The class of wrapped classes of the real package.

    A wrapped class has the attributes of the original and can be a base class.  Instances that
    the real package creates itself, such as results, are its instances too.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        original = vars(cls).get("_original")
        # Recognizers end in an endless recursion when an instance of a derived class is deleted:
        # their __del__ calls super(type(self), self).
        if original is not None and hasattr(original, "__del__"):
            return _converting(original)(*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        original = vars(cls).get("_original")
        return isinstance(instance, original) if original else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        original = vars(cls).get("_original")
        return issubclass(subclass, original) if original else super().__subclasscheck__(subclass)


@cache
def _wrapped(original: Any) -> Any:
    members: dict[str, Any] = {}
    for kind in reversed(original.__mro__):
        members |= vars(kind)
    namespace = {
        name: _member(value)
        for name, value in members.items()
        if name == "__init__" or not name.startswith("_")
    }
    namespace["_original"] = original
    namespace["__doc__"] = original.__doc__
    namespace["__module__"] = original.__module__.replace(SDK, "speech_compat", 1)
    namespace["__qualname__"] = original.__qualname__
    with suppress(ValueError, TypeError):
        # Otherwise inspect and mock would use that of _SdkClass.__call__.
        namespace["__signature__"] = inspect.signature(original)
    return _SdkClass(original.__name__, (original,), namespace)


def _member(value: Any) -> Any:
    """Return a member of a class whose functions convert their arguments."""
    if isinstance(value, classmethod | staticmethod):
        return type(value)(_converting(value.__func__))
    if isinstance(value, property) and value.fset is not None:
        return value.setter(_converting(value.fset))
    return _converting(value) if isinstance(value, FunctionType) else value


def _converting(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*map(convert, args), **{key: convert(kwargs[key]) for key in kwargs})

    return call
