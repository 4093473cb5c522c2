"""A gateway with several owners, and meetings in its store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from double.gateway_server import serving_with
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript, Utterance

__all__ = ["KEYS", "client_of", "completed", "serving", "settings_of", "uploading"]

# An owner and its key.
KEYS: Final = {owner: f"the key of {owner}" for owner in ("alice", "bob", "carol")}


def settings_of(state: Path, **properties: str) -> Settings:
    """Return settings of a gateway with the owners of :data:`KEYS`."""
    keys = {f"gateway.keys.{owner}": key for owner, key in KEYS.items()}
    table = {"gateway.port": "0", "gateway.drain_seconds": "0", **keys, **properties}
    return load_settings({"state_dir": str(state), **table})


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Serve on loopback; yield the address."""
    with serving_with(settings) as running:
        yield running.url


def client_of(address: str, owner: str = "alice", **headers: str) -> httpx.Client:
    """Return an HTTP client with the key of an owner."""
    key = {"Ocp-Apim-Subscription-Key": KEYS[owner]}
    return httpx.Client(base_url=address, headers={**key, **headers}, timeout=60)


def uploading(state: Path, stored_id: str, **fields: Any) -> Recording:
    """Put a meeting into a store, as if it were being recorded."""
    with Store.open(state) as store:
        return store.create(MeetingRequest(stored_id, mode=Mode.STORED, **fields), "local")


def completed(state: Path, stored_id: str, *utterances: Utterance, audio: bytes = b"") -> Recording:
    """Put a completed meeting into a store, with its audio if there is any."""
    end = max((utterance.end for utterance in utterances), default=0)
    with Store.open(state) as store:
        request = MeetingRequest(stored_id, mode=Mode.STORED)
        recording = store.create(request, "local", keep_audio=bool(audio))
        if audio:
            recording.audio_path.parent.mkdir(exist_ok=True)
            recording.audio_path.write_bytes(audio)
        store.close_audio(recording.id, len(audio) or 2)
        found = Transcript(stored_id, utterances, end, Provenance("local", "1"))
        store.complete(recording.id, found)
        return store.get(recording.id)
