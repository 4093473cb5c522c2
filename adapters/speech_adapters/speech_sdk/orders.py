"""The order for a worker process that sends a recording through the Speech SDK."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, TypedDict

from pydantic import BaseModel, ConfigDict

from speech_adapters.azure.credentials import default_credential
from speech_adapters.speech_sdk.options import Access

__all__ = ["SdkOrder", "access_fields"]


class SdkOrder(BaseModel):
    """Which recording, and how to sign in; it holds credentials, so it is never logged.

    Attributes:
        backend: name of the backend, which each subclass sets.
        state_dir: the folder of the meeting store.
        recording: the recording's id in it.
        region, endpoint, key, token, resource_id: see :class:`Access`.
        default_credential: whether DefaultAzureCredential is used.
    """

    # A validation error would quote the key, and the log keeps it.
    model_config = ConfigDict(hide_input_in_errors=True)
    backend: ClassVar[str]

    state_dir: Path
    recording: str
    region: str = ""
    endpoint: str = ""
    key: str = ""
    token: str = ""
    resource_id: str = ""
    default_credential: bool = False

    def access(self) -> Access:
        """Return endpoint and credentials."""
        credential = default_credential(self.backend) if self.default_credential else None
        return Access(
            key=self.key,
            credential=credential,
            token=(lambda: self.token) if self.token else None,
            region=self.region,
            endpoint=self.endpoint,
            resource_id=self.resource_id,
        )


class _AccessFields(TypedDict):
    region: str
    endpoint: str
    key: str
    token: str
    resource_id: str
    default_credential: bool


def access_fields(access: Access) -> _AccessFields:
    """Return the fields of an order that pass endpoint and credentials on.  Blocks.

    Raises:
        AuthenticationError: the program returns no token.
    """
    # The worker creates its own default credential, which renews its tokens.
    own_credential = access.credential is not None
    return {
        "region": access.region,
        "endpoint": access.endpoint,
        "key": access.key,
        "token": "" if own_credential else access.token_provider().token(),
        "resource_id": access.resource_id,
        "default_credential": own_credential,
    }
