"""The collection of properties of the legacy interface."""

from __future__ import annotations

from collections.abc import Iterator

from speech_compat._sdk.interop import is_member
from speech_compat._sdk.property_names import NAMES
from speech_compat.enums import PropertyId

__all__ = ["PropertyCollection", "PropertyId", "name_of"]


def name_of(property_id: PropertyId) -> str:
    """Return the name of a property id.

    Raises:
        TypeError: ``property_id`` is not a PropertyId (text as in the real package).
    """
    # One of the real package has the same hash; a newer version of it may have more members.
    if not is_member(property_id, PropertyId):
        raise TypeError("property_id value must be PropertyId instance")
    return NAMES.get(property_id, property_id.name)


class PropertyCollection:
    """Properties by id or name; all values are strings.

    Programs read and set them, and never create a collection.
    """

    def __init__(self, handle: object) -> None:  # noqa: ARG002
        self._values: dict[str, str] = {}

    def set_property(self, property_id: PropertyId, value: str) -> None:
        """Set a property by id.

        Raises:
            TypeError: the id is not a PropertyId or the value not a string.
        """
        self._values[name_of(property_id)] = _text(value)

    def set_property_by_name(self, property_name: str, value: str) -> None:
        """Set a property by name.

        Raises:
            TypeError: name or value is not a string.
        """
        self._values[_name(property_name)] = _text(value)

    def get_property(self, property_id: PropertyId, default_value: str = "") -> str:
        """Return a property by id, or ``default_value`` if it is not set.

        Raises:
            TypeError: the id is not a PropertyId.
        """
        return self._values.get(name_of(property_id)) or default_value

    def get_property_by_name(self, property_name: str, default_value: str = "") -> str:
        """Return a property by name, or ``default_value`` if it is not set.

        Raises:
            TypeError: the name is not a string.
        """
        return self._values.get(_name(property_name)) or default_value

    def _items(self) -> Iterator[tuple[str, str]]:
        # A copy: the program may set properties while they are read.
        return iter(tuple(self._values.items()))


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("property_name value must be str instance")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a property's value must be str, not {type(value).__name__}")
    return value
