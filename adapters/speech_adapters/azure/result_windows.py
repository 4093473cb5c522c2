"""The phrases of a result file in windows of about a megabyte, whatever the file's size.

A file of a gigabyte can be neither decoded nor mapped as a whole at constant memory, so the
phrases are cut out of it.  A window is guessed to end where a text like the begin of the first
phrase occurs.  The guess cannot be wrong unnoticed: a part of an array, put into brackets, is
valid JSON only if it consists of whole elements.  If it is not, the brackets are counted, which
is exact and ten times slower.

Anything unusual raises :class:`UnusualFormError`; the caller then decodes the document as a
whole, which also finds the exact defect of a damaged one.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

import attrs

__all__ = ["ARRAYS", "Document", "PhraseArray", "UnusualFormError", "Window", "release_pages"]

T = TypeVar("T")
Document = bytes | mmap.mmap

ARRAYS: Final = (b'"recognizedPhrases"', b'"phrases"')
_WINDOW_BYTES: Final = 1024 * 1024
# A string is searched for its end by so many bytes, before their pages are released.
_STEP_BYTES: Final = 8 * 1024 * 1024
# A longer phrase is none of the service.
_LONGEST_PHRASE: Final = 64 * 1024 * 1024
# A longer value beside the phrases is left out unread: the text of the whole meeting, once more.
_LONGEST_VALUE: Final = 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_SCALAR: Final = re.compile(rb"[-+.0-9A-Za-z]{1,1000}")
_TOKEN: Final = re.compile(rb'["{}\[\]]')
# The begin of a phrase up to its first key, with the space before it.
_LEAD: Final = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"[^"\\]{1,100}"')


class UnusualFormError(ValueError):
    """The document has another form than the services write, or is damaged."""


@attrs.frozen
class Window(Generic[T]):
    """Whole phrases: the position of their text in the document, and what they were decoded to."""

    start: int
    end: int
    phrases: T


def release_pages(data: Document) -> None:
    """Return the file's pages to the system; it reads them again if they are needed."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)


class PhraseArray:
    """The array of phrases in a document.

    Args:
        data: the document.

    Raises:
        UnusualFormError: there is none at the top level.
    """

    def __init__(self, data: Document) -> None:
        self._data = data
        # Members of the document but the phrases, as JSON.
        self._members: list[bytes] = []
        self._start = self._find()

    def windows(self, decode: Callable[[bytes], T]) -> Iterator[Window[T]]:
        """Yield all phrases, in the order of the document.

        Args:
            decode: reads an array of phrases; raises ValueError if it is not valid.

        Raises:
            UnusualFormError: the array has another form, or the document is damaged.
            ValueError: from ``decode``.
        """
        position, separator, ended = self._start, self._separator(), False
        while not ended:
            window = self._guess(position, separator, decode)
            if window is None:
                end = self._count_brackets(position)
                window = Window(position, end, decode(self.text(position, end)))
            yield window
            release_pages(self._data)
            position = self._skip_space(window.end) + 1
            ended = self._data[position - 1 : position] == b"]"
        self._read_rest(position)

    def text(self, start: int, end: int) -> bytes:
        """Return the phrases of a window as a JSON array."""
        return b"[" + self._data[start:end] + b"]"

    def rest(self) -> bytes:
        """Return the document without phrases and long values; complete after all windows."""
        return b"{" + b",".join(self._members) + b"}"

    def _find(self) -> int:
        """Return the position of the first phrase."""
        data = self._data
        position = self._skip_space(len(_BOM) if data[: len(_BOM)] == _BOM else 0)
        position = self._expect(position, b"{")
        while True:
            start, key, value = self._read_key(position)
            if key in ARRAYS and data[value : value + 1] == b"[":
                self._members.append(key + b":[]")
                return value + 1
            position = self._expect(self._read_member(start, key, value), b",")

    def _read_rest(self, position: int) -> None:
        """Read the members behind the phrases."""
        data = self._data
        position = self._skip_space(position)
        while data[position : position + 1] == b",":
            start, key, value = self._read_key(position + 1)
            if key in ARRAYS:  # twice: the last one counts
                raise UnusualFormError
            position = self._read_member(start, key, value)
        if self._skip_space(self._expect(position, b"}")) != len(data):
            raise UnusualFormError

    def _read_key(self, position: int) -> tuple[int, bytes, int]:
        """Return the start of a member, its key with quotation marks, the start of its value."""
        start = self._skip_space(position)
        end = self._skip_string(self._expect(start, b'"'))
        key = self._data[start:end]
        return start, key, self._skip_space(self._expect(self._skip_space(end), b":"))

    def _read_member(self, start: int, key: bytes, value: int) -> int:
        """Note a member of the document; return the position behind it and its space."""
        end = self._skip_value(value)
        short = end - start <= _LONGEST_VALUE
        self._members.append(self._data[start:end] if short else key + b":null")
        return self._skip_space(end)

    def _separator(self) -> bytes | None:
        match = _LEAD.match(self._data, self._start)
        return b"," + match[0] if match else None

    def _guess(
        self, position: int, separator: bytes | None, decode: Callable[[bytes], T]
    ) -> Window[T] | None:
        """Return a window that ends where a phrase seems to end; ``None`` if it does not."""
        data, limit = self._data, position + _WINDOW_BYTES
        if data[(first := self._skip_space(position)) : first + 1] != b"{":
            return None
        # Behind the phrases there is usually nothing with brackets.
        last = limit >= len(data)
        end = data.rfind(b"]" if last else separator or b"\0", position, limit)
        if end < 0:
            return None
        try:
            return Window(position, end, decode(self.text(position, end)))
        except ValueError:
            return None

    def _count_brackets(self, position: int) -> int:
        """Return the end of the last phrase of a window."""
        depth, end, limit = 0, position, position + _WINDOW_BYTES
        at = position
        while at < limit or end == position:
            if at > position + _LONGEST_PHRASE:
                raise UnusualFormError
            found = self._next_token(at)
            token = self._data[found : found + 1]
            at = self._skip_string(found + 1) if token == b'"' else found + 1
            if token in b"{[":
                depth += 1
            elif token in b"}]":
                depth -= 1
                if depth < 0:
                    # A comma at the end is no JSON, but what follows it is an empty array.
                    if end == position != self._start:
                        raise UnusualFormError
                    return found
                if depth == 0:
                    end = at
        # The text between two windows is a comma.
        if self._data[(following := self._skip_space(end)) : following + 1] not in (b",", b"]"):
            raise UnusualFormError
        return end

    def _next_token(self, position: int) -> int:
        match = _TOKEN.search(self._data, position, position + _LONGEST_PHRASE)
        if match is None:
            raise UnusualFormError
        return match.start()

    def _skip_value(self, position: int) -> int:
        first = self._data[position : position + 1]
        if first == b'"':
            return self._skip_string(position + 1)
        if first not in (b"{", b"["):
            match = _SCALAR.match(self._data, position)
            if match is None:
                raise UnusualFormError
            return match.end()
        depth = 0
        while True:
            position = self._next_token(position)
            token = self._data[position : position + 1]
            position += 1
            if token == b'"':
                position = self._skip_string(position)
            else:
                depth += 1 if token in b"{[" else -1
                if depth == 0:
                    return position

    def _skip_string(self, position: int) -> int:
        """Return the position behind a string whose content begins at ``position``."""
        data = self._data
        while position < len(data):
            end = data.find(b'"', position, position + _STEP_BYTES)
            if end < 0:
                position += _STEP_BYTES
                release_pages(data)
                continue
            escapes = 0
            while data[end - 1 - escapes : end - escapes] == b"\\":
                escapes += 1
            position = end + 1
            if escapes % 2 == 0:
                return position
        raise UnusualFormError

    def _skip_space(self, position: int) -> int:
        match = _SPACE.match(self._data, position)
        return match.end() if match else position

    def _expect(self, position: int, token: bytes) -> int:
        if self._data[position : position + 1] != token:
            raise UnusualFormError
        return position + 1
