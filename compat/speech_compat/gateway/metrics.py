"""Metrics of one gateway process, in the format of Prometheus.

No label names an owner, a meeting or an address: labels are few, and the same for all clients.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
# From the end of an utterance in the audio to its result; below a second is real time.
_LATENCY_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
_DURATION_SECONDS: Final = (0.005, 0.02, 0.1, 0.5, 2, 10, 60)


class Metrics:
    """The metrics of a gateway, in a registry of its own.

    Attributes:
        connections: open websockets.
        meetings: running meetings, those that wait for a reconnect included.
        audio_seconds: received audio.
        phrases: final results that were sent.
        phrase_latency: seconds from the receipt of an utterance's last audio to its result.
        errors: failed meetings and requests by the class of the error.
        requests: HTTP requests and handshakes by route, method and status.
        draining: 1 while the gateway is about to stop.
        durations: seconds from an HTTP request to the end of its answer, by route.
    """

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.connections = Gauge("speech_compat_connections", "Open websockets.", registry=registry)
        self.meetings = Gauge("speech_compat_meetings", "Running meetings.", registry=registry)
        self.draining = Gauge(
            "speech_compat_draining", "1 while the gateway is about to stop.", registry=registry
        )
        self.audio_seconds = Counter(
            "speech_compat_audio_seconds", "Received audio.", registry=registry
        )
        self.phrases = Counter(
            "speech_compat_phrases", "Final results that were sent.", registry=registry
        )
        self.phrase_latency = Histogram(
            "speech_compat_phrase_latency_seconds",
            "From the receipt of the audio of an utterance to its result.",
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )
        self.errors = Counter(
            "speech_compat_errors", "Errors by class.", ["class"], registry=registry
        )
        self.requests = Counter(
            "speech_compat_requests",
            "Requests by route.",
            ["route", "method", "status"],
            registry=registry,
        )
        self.durations = Histogram(
            "speech_compat_request_duration_seconds",
            "Durations of HTTP requests.",
            ["route"],
            buckets=_DURATION_SECONDS,
            registry=registry,
        )
        ProcessCollector(registry=registry)

    def error(self, error: BaseException) -> None:
        """Count an error by its class."""
        self.errors.labels(type(error).__name__).inc()

    def text(self) -> bytes:
        """Return all metrics in the text format."""
        return generate_latest(self.registry)
