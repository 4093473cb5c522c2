"""JSON Schemas of the requests to the services and of their answers.

They follow the published specification of 2025-10-15 and the migration notes from v3.2
(docs/protocol/batch-and-fast-rest.md, 2.2).  The tests check the examples that are
published with the specification against these schemas.
"""

from __future__ import annotations

from typing import Any, Final

import jsonschema

__all__ = [
    "ENTITY",
    "FAST",
    "FILES",
    "PAGE",
    "REPORT",
    "RESULT",
    "SUBMIT",
    "as_published",
    "defect",
]

Schema = dict[str, Any]

_FLAG: Final[Schema] = {"type": "boolean"}
_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_URL: Final[Schema] = {"type": "string", "pattern": "^(https?|file|data):"}
_LOCALE: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"}
_SPEAKERS: Final[Schema] = {"type": "integer", "minimum": 2, "maximum": 35}
_DATE: Final[Schema] = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"}
_CHANNELS: Final[Schema] = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_PROFANITY: Final[Schema] = {"enum": ["None", "Masked", "Removed", "Tags"]}
_IDENTIFICATION: Final[Schema] = {
    "type": "object",
    "required": ["candidateLocales"],
    "properties": {
        "candidateLocales": {"type": "array", "items": _LOCALE, "minItems": 2},
        "speechModelMapping": {"type": "object"},
        "mode": {"enum": ["Continuous", "Single"]},
    },
    "additionalProperties": False,
}
_COMMON: Final[Schema] = {
    "wordLevelTimestampsEnabled": _FLAG,
    "displayFormWordLevelTimestampsEnabled": _FLAG,
    "channels": _CHANNELS,
    "punctuationMode": {"enum": ["None", "Dictated", "Automatic", "DictatedAndAutomatic"]},
    "profanityFilterMode": _PROFANITY,
    "languageIdentification": _IDENTIFICATION,
    "destinationContainerUrl": _URL,
}
_DIARIZATION_V32: Final[Schema] = {
    "type": "object",
    "required": ["speakers"],
    "properties": {
        "speakers": {
            "type": "object",
            "required": ["minCount", "maxCount"],
            "properties": {
                "minCount": {"type": "integer", "minimum": 1},
                "maxCount": {"type": "integer", "minimum": 1, "exclusiveMaximum": 36},
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}
_DIARIZATION: Final[Schema] = {
    "type": "object",
    "required": ["enabled"],
    "properties": {"enabled": _FLAG, "maxSpeakers": _SPEAKERS},
    "additionalProperties": False,
}
_PROPERTIES_V32: Final[Schema] = {
    "type": "object",
    "properties": {
        **_COMMON,
        "diarizationEnabled": _FLAG,
        "diarization": _DIARIZATION_V32,
        "timeToLive": {"type": "string", "pattern": r"^P(\d+D)?(T(\d+H)?(\d+M)?)?$"},
        "email": _TEXT,
    },
    "dependentRequired": {"diarization": ["diarizationEnabled"]},
    "additionalProperties": False,
}
_PROPERTIES: Final[Schema] = {
    "type": "object",
    "required": ["timeToLiveHours"],
    "properties": {
        **_COMMON,
        "diarization": _DIARIZATION,
        "timeToLiveHours": {"type": "integer", "minimum": 6, "maximum": 744},
    },
    "additionalProperties": False,
}


def _submit(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "required": ["displayName", "locale", *required],
        "properties": {
            "displayName": _TEXT,
            "description": _TEXT,
            "locale": _LOCALE,
            "contentUrls": {"type": "array", "items": _URL, "minItems": 1, "maxItems": 1000},
            "contentContainerUrl": _URL,
            "dataset": {"type": "object"},
            "model": {"type": "object", "required": ["self"]},
            "project": {"type": "object", "required": ["self"]},
            "customProperties": {
                "type": "object",
                "maxProperties": 10,
                "propertyNames": {"maxLength": 64},
                "additionalProperties": {"type": "string", "maxLength": 256},
            },
            "properties": properties,
        },
        "oneOf": [
            {"required": ["contentUrls"]},
            {"required": ["contentContainerUrl"]},
            {"required": ["dataset"]},
        ],
        "additionalProperties": False,
    }


SUBMIT: Final = {
    "v3.2": _submit(_PROPERTIES_V32, []),
    "": _submit(_PROPERTIES, ["properties"]),
}
FAST: Final[Schema] = {
    "type": "object",
    "properties": {
        "locales": {"type": "array", "items": {"type": "string"}},
        "audioUrl": _URL,
        # The service accepts a definition without "enabled", and distinguishes no speakers.
        "diarization": {**_DIARIZATION, "required": []},
        "channels": {**_CHANNELS, "maxItems": 2},
        "profanityFilterMode": _PROFANITY,
        "phraseList": {"type": "object"},
        "enhancedMode": {"type": "object"},
        "models": {"type": "object"},
    },
    "not": {
        "required": ["channels", "diarization"],
        "properties": {"channels": {"minItems": 2}},
    },
    "additionalProperties": False,
}
ENTITY: Final[Schema] = {
    "type": "object",
    "required": ["self", "displayName", "locale", "createdDateTime", "status", "links"],
    "properties": {
        "self": _URL,
        "displayName": _TEXT,
        "locale": _LOCALE,
        "createdDateTime": _DATE,
        "lastActionDateTime": _DATE,
        "status": {"enum": ["NotStarted", "Running", "Succeeded", "Failed"]},
        "links": {"type": "object", "required": ["files"], "properties": {"files": _URL}},
        "properties": {
            "type": "object",
            "properties": {
                "error": {"type": "object", "required": ["code", "message"]},
                "durationMilliseconds": {"type": "integer"},
            },
        },
        "customProperties": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_FILE: Final[Schema] = {
    "type": "object",
    "required": ["self", "name", "kind", "links", "properties", "createdDateTime"],
    "properties": {
        "self": _URL,
        "name": _TEXT,
        "kind": {"enum": ["Transcription", "TranscriptionReport"]},
        "links": {"type": "object", "required": ["contentUrl"]},
        "properties": {"type": "object", "required": ["size"]},
        "createdDateTime": _DATE,
    },
}


def _page(item: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["values"],
        "properties": {"values": {"type": "array", "items": item}, "@nextLink": _URL},
        "additionalProperties": False,
    }


PAGE: Final = _page(ENTITY)
FILES: Final = _page(_FILE)
REPORT: Final[Schema] = {
    "type": "object",
    "required": ["successfulTranscriptionsCount", "failedTranscriptionsCount", "details"],
    "properties": {
        "details": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["source", "status"],
                "properties": {
                    "status": {"enum": ["Succeeded", "Failed"]},
                    "errorKind": _TEXT,
                    "errorMessage": _TEXT,
                },
            },
        }
    },
}


def _result(milliseconds: tuple[str, ...]) -> Schema:
    """Return the schema of a result; all times but milliseconds are the same in all versions."""
    times = ["offset", "duration", "offsetInTicks", "durationInTicks", *milliseconds]
    phrase: Schema = {
        "type": "object",
        "required": ["recognitionStatus", "channel", "nBest", *times],
        "properties": {
            "speaker": {"type": "integer", "minimum": 1},
            "offsetInTicks": {"type": "integer"},
            "durationInTicks": {"type": "integer"},
            **{name: {"type": "integer", "minimum": 0} for name in milliseconds},
            "nBest": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["confidence", "lexical", "itn", "maskedITN", "display"],
                },
            },
        },
    }
    return {
        "type": "object",
        "required": [
            *("source", "timestamp", "durationInTicks", "duration"),
            *("combinedRecognizedPhrases", "recognizedPhrases"),
            *[name for name in milliseconds if name.startswith("duration")],
        ],
        "properties": {
            "durationInTicks": {"type": "integer"},
            "recognizedPhrases": {"type": "array", "items": phrase},
        },
    }


RESULT: Final = {
    "v3.2": _result(()),
    "": _result(("offsetMilliseconds", "durationMilliseconds")),
}


def defect(document: Any, schema: Schema) -> str:
    """Return what is wrong with a document, or an empty text."""
    errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return "; ".join(f"{error.json_path}: {error.message}" for error in errors)


def as_published(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the document; raise AssertionError if it differs from the published schema."""
    found = defect(document, schema)
    assert not found, found
    return document
