"""Members and objects of both packages, used together."""

from __future__ import annotations

from functools import reduce
from typing import Any, TypeVar

from speech_compat._sdk.real import DISTRIBUTION, is_sdk_class, load, version

__all__ = ["SdkInstances", "SdkMember", "checked", "is_member"]

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
        return _is_twin(type(self), type(other)) and self._name_ == getattr(other, "_name_", None)

    # A class with its own __eq__ does not inherit a hash; this is that of Enum.
    def __hash__(self) -> int:
        return hash(self._name_)

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return getattr(cls, value._name_, None) if _is_twin(cls, type(value)) else None  # type: ignore[attr-defined]

    def _to_sdk(self) -> Any:
        """Return the member of the real package."""
        path = type(self).__qualname__.split(".")
        enums, audio = load("enums"), load("audio")
        kind: Any = reduce(getattr, path, enums if hasattr(enums, path[0]) else audio)
        if self._name_ not in kind.__members__:
            raise ValueError(f"{DISTRIBUTION} {version()} has no {self}. Install a newer version.")
        return kind[self._name_]


class SdkInstances(type):
    """Makes instances of the real package's class of the same name pass ``isinstance``.

    Only for classes that programs receive: results and events of recognizers that were not
    retired are those of the real package.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        kinds = type(instance).__mro__
        return super().__instancecheck__(instance) or any(_is_twin(cls, kind) for kind in kinds)


def is_member(value: object, kind: type) -> bool:
    """Whether ``value`` is a member of the enumeration ``kind``, of either package."""
    return isinstance(value, kind) or _is_twin(kind, type(value))


def _is_twin(ours: type, other: type) -> bool:
    return is_sdk_class(other) and other.__qualname__ == ours.__qualname__


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
