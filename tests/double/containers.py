"""Containers with recordings of the program, which the service reads at signed addresses."""

from __future__ import annotations

import io
import uuid
import wave
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from azure.storage.blob import BlobServiceClient, generate_container_sas

__all__ = ["sign", "signed_container"]


def signed_container(storage: str, recordings: Mapping[str, bytes]) -> tuple[str, str]:
    """Upload mono WAV files of 16 kHz by their names; return the container's address and query."""
    with BlobServiceClient.from_connection_string(storage) as service:
        container = service.create_container(f"mine-{uuid.uuid4().hex}")
        for name, pcm in recordings.items():
            data = io.BytesIO()
            with wave.open(data, "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                file.writeframes(pcm)
            container.upload_blob(name, data.getvalue())
        return container.url, sign(service, container.container_name)


def sign(service: BlobServiceClient, container: str, permission: str = "rl") -> str:
    """Return a query that permits the use of a container for an hour."""
    signature: str = generate_container_sas(
        str(service.account_name),
        container,
        account_key=service.credential.account_key,
        permission=permission,
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return signature
