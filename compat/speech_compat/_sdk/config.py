"""``SpeechConfig``: resource, credentials, language and properties."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from speech_compat._sdk.interop import is_member
from speech_compat._sdk.real import load
from speech_compat.enums import OutputFormat, ProfanityOption, ServicePropertyChannel
from speech_compat.properties import PropertyCollection, PropertyId, name_of

__all__ = ["PropertyHolder", "SpeechConfig", "copy_properties"]

_MAX_PORT = 65535
# Arguments of the real package's constructor, which are properties too.
_ARGUMENTS: Final = {
    "subscription": PropertyId.SpeechServiceConnection_Key,
    "region": PropertyId.SpeechServiceConnection_Region,
    "endpoint": PropertyId.SpeechServiceConnection_Endpoint,
    "host": PropertyId.SpeechServiceConnection_Host,
    "auth_token": PropertyId.SpeechServiceAuthorization_Token,
}


class PropertyHolder:
    """Base class of ``SpeechConfig`` and ``AudioConfig``: properties by id and by name."""

    def __init__(self) -> None:
        self._properties = PropertyCollection(None)

    def get_property(self, property_id: PropertyId) -> str:
        """Return a property by id; an empty string if it is not set.

        Raises:
            TypeError: the id is not a PropertyId.
        """
        return self._properties.get_property(property_id)

    def get_property_by_name(self, property_name: str) -> str:
        """Return a property by name; an empty string if it is not set.

        Raises:
            TypeError: the name is not a string.
        """
        return self._properties.get_property_by_name(property_name)

    def set_property(self, property_id: PropertyId, value: str) -> None:
        """Set a property by id.

        Raises:
            TypeError: the id is not a PropertyId or the value not a string.
            RuntimeError: the value is ``None`` (the real package's code 5).
        """
        if is_member(property_id, PropertyId) and value is None:
            raise RuntimeError(5)
        self._properties.set_property(property_id, value)

    def set_property_by_name(self, property_name: str, value: str) -> None:
        """Set a property by name.

        Raises:
            TypeError: name or value is not a string.
        """
        self._properties.set_property_by_name(property_name, value)

    def set_properties(self, properties: dict[PropertyId, str]) -> None:
        """Set several properties by id.

        Raises:
            TypeError: an id is not a PropertyId or a value not a string.
        """
        for property_id, value in properties.items():
            self.set_property(property_id, value)

    def set_properties_by_name(self, properties: dict[str, str]) -> None:
        """Set several properties by name.

        Raises:
            TypeError: a name or value is not a string.
        """
        for name, value in properties.items():
            self.set_property_by_name(name, value)


def copy_properties(ours: PropertyHolder, theirs: Any, except_for: set[str]) -> None:
    """Set the properties of ``ours`` on an object of the real package, by their names."""
    for name, value in ours._properties._items():
        if name not in except_for and not name.startswith("speech-compat."):
            theirs.set_property_by_name(name, value)


class SpeechConfig(PropertyHolder):
    """Configuration from subscription and region, auth_token and region, endpoint, or host.

    The local backend ignores the key.  Properties whose names begin with
    ``speech-compat.`` select and configure the backend (see docs/configuration.md).

    Raises:
        ValueError: the arguments cannot be combined (texts as in the real package,
            docs/protocol/legacy-interface.md, 4.3).
        RuntimeError: a value is empty (the real package's code 5).
    """

    def __init__(
        self,
        subscription: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
        host: str | None = None,
        auth_token: str | None = None,
        speech_recognition_language: str | None = None,
        token_credential: Any = None,
        key_credential: Any = None,
    ) -> None:
        super().__init__()
        key = subscription if key_credential is None else key_credential.key
        _check_arguments(key, region, endpoint, host, auth_token, token_credential)
        # Objects, which the collection of string properties cannot hold.
        self._token_credential = token_credential
        self._key_credential = key_credential
        values = {
            PropertyId.SpeechServiceConnection_Key: key,
            PropertyId.SpeechServiceConnection_Region: region,
            PropertyId.SpeechServiceConnection_Endpoint: endpoint,
            PropertyId.SpeechServiceConnection_Host: host,
            PropertyId.SpeechServiceAuthorization_Token: auth_token,
            PropertyId.SpeechServiceConnection_RecoLanguage: speech_recognition_language,
        }
        self.set_properties({name: value for name, value in values.items() if value is not None})

    @property
    def output_format(self) -> OutputFormat:
        """Simple or detailed results."""
        detailed = self.get_property(
            PropertyId.SpeechServiceResponse_RequestDetailedResultTrueFalse
        )
        return OutputFormat.Detailed if detailed == "true" else OutputFormat.Simple

    @output_format.setter
    def output_format(self, format: OutputFormat) -> None:  # noqa: A002
        if not is_member(format, OutputFormat):
            raise TypeError("wrong type, must be OutputFormat")
        self.set_property(
            PropertyId.SpeechServiceResponse_RequestDetailedResultTrueFalse,
            "true" if format == OutputFormat.Detailed else "false",
        )

    @property
    def speech_recognition_language(self) -> str:
        """The spoken language as a BCP-47 tag; an empty string raises RuntimeError."""
        return self.get_property(PropertyId.SpeechServiceConnection_RecoLanguage)

    @speech_recognition_language.setter
    def speech_recognition_language(self, language: str) -> None:
        if language == "":
            raise RuntimeError(5)
        self.set_property(PropertyId.SpeechServiceConnection_RecoLanguage, language)

    @property
    def endpoint_id(self) -> str:
        """The id of the custom model; empty without one."""
        return self.get_property(PropertyId.SpeechServiceConnection_EndpointId)

    @endpoint_id.setter
    def endpoint_id(self, endpoint_id: str) -> None:
        self.set_property(PropertyId.SpeechServiceConnection_EndpointId, endpoint_id)

    @property
    def authorization_token(self) -> str:
        """The authorization token, used instead of the key; may be renewed."""
        return self.get_property(PropertyId.SpeechServiceAuthorization_Token)

    @authorization_token.setter
    def authorization_token(self, authorization_token: str) -> None:
        self.set_property(PropertyId.SpeechServiceAuthorization_Token, authorization_token)

    @property
    def model(self) -> str:
        """The name of the model (1.53)."""
        return self.get_property(PropertyId.SpeechServiceConnection_RecoModelName)

    @model.setter
    def model(self, model: str) -> None:
        if not isinstance(model, str):
            raise TypeError("model value must be str")
        self.set_property(PropertyId.SpeechServiceConnection_RecoModelName, model)

    @property
    def subscription_key(self) -> str:
        """The subscription key."""
        return self.get_property(PropertyId.SpeechServiceConnection_Key)

    @property
    def region(self) -> str:
        """The region of the resource."""
        return self.get_property(PropertyId.SpeechServiceConnection_Region)

    @property
    def token_credential(self) -> Any:
        """The azure-identity credential, or ``None``."""
        return self._token_credential

    @property
    def key_credential(self) -> Any:
        """The key credential, or ``None``."""
        return self._key_credential

    def set_proxy(
        self, hostname: str, port: int, username: str | None = None, password: str | None = None
    ) -> None:
        """Connect through an HTTP proxy.

        Raises:
            ValueError: the host is empty or the port is not between 1 and 65535.
        """
        if not hostname:
            raise ValueError("hostname is a required parameter")
        if not 0 < port <= _MAX_PORT:
            raise ValueError(f"{port} is not a valid port")
        values = {
            PropertyId.SpeechServiceConnection_ProxyHostName: hostname,
            PropertyId.SpeechServiceConnection_ProxyPort: str(port),
            PropertyId.SpeechServiceConnection_ProxyUserName: username,
            PropertyId.SpeechServiceConnection_ProxyPassword: password,
        }
        self.set_properties({name: value for name, value in values.items() if value is not None})

    @property
    def speech_synthesis_language(self) -> str:
        """The language of synthesized speech; for the SpeechSynthesizer of the real package."""
        return self.get_property(PropertyId.SpeechServiceConnection_SynthLanguage)

    @speech_synthesis_language.setter
    def speech_synthesis_language(self, language: str) -> None:
        self.set_property(PropertyId.SpeechServiceConnection_SynthLanguage, language)

    @property
    def speech_synthesis_voice_name(self) -> str:
        """The voice of synthesized speech; for the SpeechSynthesizer of the real package."""
        return self.get_property(PropertyId.SpeechServiceConnection_SynthVoice)

    @speech_synthesis_voice_name.setter
    def speech_synthesis_voice_name(self, voice: str) -> None:
        self.set_property(PropertyId.SpeechServiceConnection_SynthVoice, voice)

    @property
    def speech_synthesis_output_format_string(self) -> str:
        """The service's name for the format of synthesized speech; empty if it is not set."""
        return self.get_property(PropertyId.SpeechServiceConnection_SynthOutputFormat)

    def set_speech_synthesis_output_format(self, format_id: object) -> None:
        """Set the format of synthesized speech, a ``SpeechSynthesisOutputFormat``.

        Raises:
            TypeError: it is not a SpeechSynthesisOutputFormat.
            ImportError: the real package, which has the names of formats, is not installed.
        """
        theirs = load()
        if not isinstance(format_id, theirs.SpeechSynthesisOutputFormat):
            raise TypeError("wrong type, must be SpeechSynthesisOutputFormat")
        named = theirs.SpeechConfig(subscription="none", region="none")
        named.set_speech_synthesis_output_format(format_id)
        self.set_property(
            PropertyId.SpeechServiceConnection_SynthOutputFormat,
            named.speech_synthesis_output_format_string,
        )

    def set_service_property(self, name: str, value: str, channel: ServicePropertyChannel) -> None:
        """Set a property of the service, for example ``transcriptionMode``.

        Raises:
            TypeError: the channel is not a ServicePropertyChannel.
            RuntimeError: name or value is empty.
        """
        if not is_member(channel, ServicePropertyChannel):
            raise TypeError("wrong channel, must be ServicePropertyChannel")
        if not name or not value:
            raise RuntimeError(5)
        if channel == ServicePropertyChannel.HttpHeader:
            self.set_property_by_name(f"HttpHeader#{name}", value)
            return
        # Several properties accumulate in one query, as in the real package.
        queries = PropertyId.SpeechServiceConnection_UserDefinedQueryParameters
        before = self.get_property(queries)
        query = f"{quote(name, safe='')}={quote(value, safe='')}"
        self.set_property(queries, f"{before}&{query}" if before else query)

    def set_profanity(self, profanity_option: ProfanityOption) -> None:
        """Select how profanity is handled.

        Raises:
            TypeError: the option is not a ProfanityOption.
        """
        if not is_member(profanity_option, ProfanityOption):
            raise TypeError("bad option, must be ProfanityOption")
        self.set_property(
            PropertyId.SpeechServiceResponse_ProfanityOption, profanity_option.name.lower()
        )

    def enable_audio_logging(self) -> None:
        """Request that the service keeps the audio."""
        self.set_property(PropertyId.SpeechServiceConnection_EnableAudioLogging, "true")

    def request_word_level_timestamps(self) -> None:
        """Request word timings."""
        self.set_property(PropertyId.SpeechServiceResponse_RequestWordLevelTimestamps, "true")

    def enable_dictation(self) -> None:
        """Request dictation mode."""
        self.set_property(PropertyId.SpeechServiceConnection_RecoMode, "DICTATION")

    def _to_sdk(self) -> Any:
        """Return a configuration of the real package with the same properties.

        A new one each time: recognizers copy the configuration that they are created with.
        """
        values = {name: self.get_property(found) for name, found in _ARGUMENTS.items()}
        address = next(name for name in ("endpoint", "host", "region") if values[name])
        passed = {name: values[name] for name in ("subscription", address) if values[name]}
        if address == "region" and not values["subscription"] and self._token_credential is None:
            passed["auth_token"] = values["auth_token"]
        credential = self._token_credential
        also = {} if credential is None else {"token_credential": credential}
        config = load().SpeechConfig(**passed, **also)
        copy_properties(self, config, {name_of(_ARGUMENTS[name]) for name in passed})
        return config


def _check_arguments(
    key: str | None,
    region: str | None,
    endpoint: str | None,
    host: str | None,
    token: str | None,
    credential: object,
) -> None:
    """Raise the real package's errors, in its order and with its texts."""
    address = endpoint is not None or host is not None
    if region is not None and address:
        raise ValueError(
            "cannot construct SpeechConfig with both region and endpoint or host information"
        )
    if token is not None and address:
        raise ValueError(
            "cannot specify both auth_token and endpoint or host when constructing SpeechConfig."
            " Set authorization token separately after creating SpeechConfig."
        )
    if region is not None and key is None and token is None and credential is None:
        raise ValueError(
            "either subscription key or authorization token or key credential must be given"
            " along with a region"
        )
    if key is not None and region is None and not address:
        raise ValueError(
            "either endpoint, host, or region must be given along with a subscription key"
        )
    if not address and (region is None or (key is not None and token is not None)):
        raise ValueError("cannot construct SpeechConfig with the given arguments")
    if "" in (key, region, endpoint, host, token):
        raise RuntimeError(5)
