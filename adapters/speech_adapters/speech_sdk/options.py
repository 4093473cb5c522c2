"""What every backend on the Speech SDK has: options of the driver, endpoint and credentials."""

from __future__ import annotations

import sys
from typing import Final

import attrs
from pydantic import Field

from speech_adapters.azure.credentials import Credentials, TokenProvider
from speech_adapters.config import Options
from speech_adapters.errors import ConfigurationError
from speech_adapters.extras import need_packages
from speech_adapters.masking import masked_repr

__all__ = ["Access", "DriverOptions", "need_sdk"]

_SDK: Final = "azure.cognitiveservices.speech"


class DriverOptions(Options):
    """Options of the driver.

    Attributes:
        pace: largest speed of sending audio, in multiples of real time; the SDK's own is 2.
        ahead_seconds: length of sent audio without a result after which audio is sent in
            real time; the SDK gives up at about 66.
        patience_seconds: longest silence of the service after all audio was sent.
        attempts: successive connections without any progress.
        retry_seconds: pause before the second attempt, doubled for each further one.
    """

    pace: float = Field(default=2.0, ge=1.0, le=100.0)
    ahead_seconds: float = Field(default=50.0, ge=5.0, le=60.0)
    patience_seconds: float = Field(default=60.0, ge=1.0)
    attempts: int = Field(default=4, ge=1)
    retry_seconds: float = Field(default=1.0, ge=0.0)


@attrs.frozen(kw_only=True)
class Access(Credentials):
    """Endpoint and credentials of the Speech resource.

    Attributes:
        region: the resource's region, or empty if there is an endpoint.
        endpoint: the resource's address, with a path.
        resource_id: the resource's id in Azure, needed for a credential with a region.
    """

    region: str = ""
    endpoint: str = attrs.field(default="", repr=masked_repr)
    resource_id: str = ""

    def token_provider(self) -> TokenProvider:
        """Return a provider of tokens in the form that the SDK needs."""
        # A region is shared by many resources: the token alone does not name one
        # (docs/protocol/batch-and-fast-rest.md, 1).
        return TokenProvider(self, prefix="" if self.endpoint else f"aad#{self.resource_id}#")


def need_sdk(extra: str) -> None:
    """Check that the Speech SDK is installed and was not replaced; it is not imported.

    Args:
        extra: the extra that installs it.

    Raises:
        MissingExtraError: the SDK is not installed.
        ConfigurationError: another module has its place.
    """
    loaded = getattr(sys.modules.get(_SDK), "__name__", _SDK)
    # With a facade in its place, each session would open another one, without an end.
    if loaded != _SDK:
        raise ConfigurationError(
            f"sys.modules has {loaded} in place of {_SDK}, which the backend needs: it would call"
            " itself. Remove that entry; `speech-compat run` redirects imports of the program only."
        )
    need_packages(extra, _SDK)
