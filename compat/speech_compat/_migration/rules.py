"""The kinds of findings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from speech_compat._migration.names import FACADE, PACKAGE
from speech_compat._migration.program import Feature
from speech_compat._session.mapping.requests import UNIDENTIFIED

__all__ = [
    "BY_HAND",
    "IMPORT",
    "IMPORT_BY_HAND",
    "NOT_RETIRED",
    "OF_FEATURE",
    "RULES",
    "SYNTAX",
    "TEXT",
    "UNDIFFERENTIATED",
    "UNKNOWN",
    "UNREADABLE",
    "Level",
    "Rule",
]


class Level(Enum):
    """How a finding counts.

    CHANGE: left to do.  DECIDE: the program runs, but its results may not be those that are
    wanted.  NOTE: for information.
    """

    CHANGE = "change"
    DECIDE = "decide"
    NOTE = "note"


@dataclass(frozen=True)
class Rule:
    """A kind of findings.

    Attributes:
        id: its name, which never changes.
        level: how its findings count.
        summary: what it finds, as a sentence.
        remedy: what to do, as a sentence.
    """

    id: str
    level: Level
    summary: str
    remedy: str


IMPORT: Final = Rule(
    "import",
    Level.CHANGE,
    f"The program imports {PACKAGE}.",
    "Run speech-compat migrate --write, or leave the program as it is and start it with"
    " speech-compat run.",
)
IMPORT_BY_HAND: Final = Rule(
    "import-by-hand",
    Level.CHANGE,
    "An import cannot be changed automatically.",
    "Change it by hand as the message states, or start the program with speech-compat run.",
)
TEXT: Final = Rule(
    "module-name",
    Level.CHANGE,
    f"A text is the name of {PACKAGE}, as import_module and mock.patch use it.",
    f"Write {FACADE} in its place, if the text names a module.",
)
UNREADABLE: Final = Rule(
    "unreadable",
    Level.CHANGE,
    "A file could not be examined.",
    "Examine it by hand, or exclude it.",
)
SYNTAX: Final = Rule(
    "syntax",
    Level.DECIDE,
    "A line is no valid Python 3; the rest of the file was examined without it.",
    "Correct the line; migrate changes no file with such lines.",
)
UNKNOWN: Final = Rule(
    "unknown-name",
    Level.DECIDE,
    "The program uses a name that the package does not have.",
    "Check the line: it fails with the real package too, unless the name is newer than 1.53.",
)
NOT_RETIRED: Final = Rule(
    "not-retired",
    Level.NOTE,
    "The program uses a part of the package that was not retired.",
    "Keep azure-cognitiveservices-speech installed: the name comes from it.",
)
SIGNATURE: Final = Rule(
    "voice-signature",
    Level.DECIDE,
    "Voice signatures of the retired service cannot be used any more.",
    "Create new ones with speech-compat enroll for the backend local, or map the numbers of the"
    " speakers to people in the program.",
)
CHANNELS: Final = Rule(
    "channels",
    Level.DECIDE,
    "The program sends several channels, such as those of a microphone array.",
    "Choose how they are mixed down in the setting downmix; see SC109 in docs/warnings.md.",
)
MICROPHONE: Final = Rule(
    "microphone",
    Level.DECIDE,
    "The program reads a microphone.",
    "Install the extra microphone: all backends read it. See docs/audio.md.",
)
COMPRESSED: Final = Rule(
    "compressed-audio",
    Level.DECIDE,
    "The program sends compressed audio.",
    "Install the extra audio, which decodes it for all backends. See docs/audio.md.",
)
MODE: Final = Rule(
    "transcription-mode",
    Level.DECIDE,
    "The program asks for a transcript that is fetched later by its id.",
    "Choose a backend that stores transcripts, and where and how long they are stored"
    " (docs/configuration.md).",
)
ADDRESS: Final = Rule(
    "retired-address",
    Level.DECIDE,
    "The program calls an address of the retired service.",
    "Fetch transcripts with speech_compat.remote_meeting (docs/remote-client.md), or send the"
    " request to speech-compat serve.",
)
UNDIFFERENTIATED: Final = Rule(
    "unidentified",
    Level.DECIDE,
    f"In this file {UNIDENTIFIED.reason}.",
    f"{UNIDENTIFIED.way_out[0].upper()}{UNIDENTIFIED.way_out[1:]}.",
)
OF_FEATURE: Final = {
    Feature.SIGNATURES: SIGNATURE,
    Feature.CHANNELS: CHANNELS,
    Feature.MICROPHONE: MICROPHONE,
    Feature.COMPRESSED: COMPRESSED,
    Feature.MODE: MODE,
    Feature.ADDRESS: ADDRESS,
}
RULES: Final = (
    IMPORT, IMPORT_BY_HAND, TEXT, UNREADABLE, SYNTAX, UNKNOWN, UNDIFFERENTIATED, NOT_RETIRED,
    *OF_FEATURE.values(),
)  # fmt: skip
# What is left to do and ``migrate`` does not do.
BY_HAND: Final = (IMPORT_BY_HAND, TEXT, UNREADABLE)
