"""The jobs of the double: the audio they read, and the documents they produce."""

from __future__ import annotations

import io
import re
import urllib.error
import urllib.request
import wave
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import attrs

from double.encoded import decode
from double.schemas import REPORT, RESULT, as_published

__all__ = ["Job", "length_of", "outcome", "wave_of"]


@attrs.define
class Job:
    id: str
    body: dict[str, Any]
    created: datetime
    polled: int = 0
    status: str = "NotStarted"
    failures: dict[str, str] = attrs.field(factory=dict)  # kinds of errors, by part of the address
    version: str = ""  # "v3.2", or empty for the dated versions
    spoiled: bool = False  # fails as a whole
    outcome: tuple[dict[str, Any], list[dict[str, Any]]] | None = None


def _sources(job: Job) -> dict[str, str]:
    """Return the address of each audio file by the name that results have for it."""
    container = job.body.get("contentContainerUrl")
    if container is None:
        return {url: url for url in job.body["contentUrls"]}
    parts = urlsplit(container)
    query = f"{parts.query}&restype=container&comp=list".lstrip("&")
    with urllib.request.urlopen(parts._replace(query=query).geturl(), timeout=30) as found:
        names = re.findall(r"<Name>([^<]*\.wav)</Name>", found.read().decode())
    return {name: parts._replace(path=f"{parts.path}/{name}").geturl() for name in names}


def _audio(url: str) -> bytes | str:
    """Read the audio as the service does; return the reason as text if that fails."""
    try:
        with urllib.request.urlopen(url, timeout=30) as found:
            data: bytes = found.read()
            return data
    except urllib.error.URLError as error:
        return f"The recordings URI cannot be read: {url} ({error})."


def _diarized(properties: dict[str, Any]) -> bool:
    """Return whether speakers are distinguished, in the form of either version."""
    new = properties.get("diarization", {}).get("enabled", False)
    return bool(properties.get("diarizationEnabled", new))


def _refused(url: str, job: Job) -> tuple[str, str]:
    """Return kind and text of the error of a file, which are empty if it can be transcribed."""
    ordered = next((kind for part, kind in job.failures.items() if part in url), "")
    if ordered:
        return ordered, f"The double failed for {url}"
    data = _audio(url)
    if isinstance(data, str):
        return "InvalidUri", data
    stereo = _diarized(job.body["properties"]) and wave_of(data).getnchannels() > 1
    return ("InvalidUri", "The recordings URI contains invalid data.") if stereo else ("", "")


def outcome(job: Job) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return report and results, made once: the audio may be deleted afterwards."""
    if job.spoiled:
        return _report({}), []
    if job.outcome is None:
        sources = _sources(job)
        refused = {source: _refused(url, job) for source, url in sources.items()}
        accepted = [source for source, (kind, _) in refused.items() if not kind]
        results = [_result(source, sources[source], job) for source in accepted]
        job.outcome = _report(refused), results
    return job.outcome


def _report(refused: dict[str, tuple[str, str]]) -> dict[str, Any]:
    details: list[dict[str, Any]] = []
    for source, (kind, reason) in refused.items():
        why = {"errorKind": kind, "errorMessage": reason} if kind else {}
        details.append({"source": source, "status": "Failed" if kind else "Succeeded", **why})
    failed = sum(detail["status"] == "Failed" for detail in details)
    report = {
        "successfulTranscriptionsCount": len(details) - failed,
        "failedTranscriptionsCount": failed,
        "details": details,
    }
    return as_published(report, REPORT)


def _channels(job: Job, sound: wave.Wave_read) -> list[int]:
    """Return the channels that are transcribed: those that were requested and exist."""
    wanted = job.body["properties"].get("channels", [0, 1])
    return [channel for channel in wanted if channel < sound.getnchannels()]


def _result(source: str, url: str, job: Job) -> dict[str, Any]:
    data = _audio(url)
    assert isinstance(data, bytes)
    sound = wave_of(data)
    silent = not any(sound.readframes(sound.getnframes()))
    channels = _channels(job, sound)
    length = length_of(data)
    text = "" if silent else f"A double heard {length:.3f} seconds."
    forms = dict.fromkeys(("lexical", "itn", "maskedITN", "display"), text)
    phrase = {
        "recognitionStatus": "Success",
        **({"speaker": 1} if _diarized(job.body["properties"]) else {}),
        "offset": "PT0.1S",
        "duration": f"PT{length / 2}S",
        "offsetInTicks": 1_000_000.0,
        "durationInTicks": length / 2 * 1e7,
        "nBest": [{"confidence": 0.9, **forms, **_words(job.body["properties"], text)}],
    }
    dated = {} if job.version else {"durationMilliseconds": round(length * 1000)}
    if dated:
        phrase |= {"offsetMilliseconds": 100, "durationMilliseconds": round(length * 500)}
    document = {
        **dated,
        "source": source,
        "timestamp": datetime.now(UTC).isoformat(),
        "durationInTicks": round(length * 1e7),
        "duration": f"PT{length}S",
        "combinedRecognizedPhrases": [{"channel": channel, **forms} for channel in channels],
        "recognizedPhrases": [] if silent else [{**phrase, "channel": c} for c in channels],
    }
    return as_published(document, RESULT[job.version])


def _words(properties: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the words as they are displayed, a tenth of a second each, if they are wanted."""
    if not properties.get("displayFormWordLevelTimestampsEnabled"):
        return {}
    words = [
        {
            "displayText": word,
            "offset": f"PT{(number + 1) / 10}S",
            "duration": "PT0.1S",
            "offsetInTicks": (number + 1) * 1e6,
            "durationInTicks": 1e6,
        }
        for number, word in enumerate(text.split())
    ]
    return {"displayWords": words}


def wave_of(data: bytes) -> wave.Wave_read:
    """Read a file, which the service accepts in several formats."""
    return wave.Wave_read(io.BytesIO(data if data.startswith(b"RIFF") else decode(data)))


def length_of(data: bytes) -> float:
    sound = wave_of(data)
    return sound.getnframes() / sound.getframerate()
