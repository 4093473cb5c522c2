"""Objects of the real package that a program uses beside those of this one.

The real package is never imported here: its objects are known by the module of their class.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

__all__ = ["SDK", "SdkMember", "checked", "is_member", "is_sdk_class"]

SDK: Final = "azure.cognitiveservices.speech"

T = TypeVar("T")


class SdkMember:
    """Makes the members of an enumeration equal to those of the real package.

    Both directions compare equal, since ``Enum`` leaves ``==`` to the other operand.  The
    hashes are equal too, so either member finds the other in a dict or set.
    ``ResultReason(member)`` converts a member of the real package.
    """

    # Those of Enum, which this class is always combined with.
    _name_: str

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        # By name, as the hash is; the values of all versions agree
        # (docs/protocol/legacy-interface.md, 4.5).
        return _is_twin(type(self), other) and self._name_ == getattr(other, "_name_", None)

    # A class with its own __eq__ does not inherit a hash; this is that of Enum.
    def __hash__(self) -> int:
        return hash(self._name_)

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return getattr(cls, getattr(value, "_name_", ""), None) if _is_twin(cls, value) else None


def is_sdk_class(kind: type) -> bool:
    """Whether a class belongs to the real package."""
    return f"{kind.__module__}.".startswith(f"{SDK}.")


def is_member(value: object, kind: type) -> bool:
    """Whether ``value`` is a member of the enumeration ``kind``, of either package."""
    return isinstance(value, kind) or _is_twin(kind, value)


def _is_twin(kind: type, other: object) -> bool:
    return is_sdk_class(type(other)) and type(other).__qualname__ == kind.__qualname__


def checked(
    value: Any, kind: type[T], name: str, wanted: str, error: type[Exception] = TypeError
) -> T:
    """Return ``value`` if it is an instance of ``kind``.

    Args:
        value: an argument of a program.
        kind: the class that it must have.
        name: the name of the parameter.
        wanted: the class in words, with an article.
        error: the class of the error.

    Raises:
        Exception: of the class ``error``: it is not.  The text has the module of its class,
            since both packages have classes of the same names.
    """
    if isinstance(value, kind):
        return value
    found = type(value)
    where = "" if found.__module__ == "builtins" else f"{found.__module__}."
    remedy = ""
    if is_sdk_class(found):
        remedy = ". Create it with speech_compat: both packages have classes of these names"
    raise error(f"{name} must be {wanted}, not {where}{found.__qualname__}{remedy}")
