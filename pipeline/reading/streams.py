"""Byte streams in which WARC records lie: a gzip member inflated step by step, or a plain stretch of the file."""

from __future__ import annotations

import re
from typing import cast

from isal import isal_zlib

from pipeline.reading.window import Window

GZIP_MAGIC = b"\x1f\x8b\x08"
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
NEXT_RECORD = b"\r\n\r\nWARC/"
INPUT_STEP = 64 << 10  # compressed bytes fed at a time
OUTPUT_STEP = 1 << 20  # inflated bytes taken at a time: a bomb costs no more than this
PROBE = 1024  # compressed bytes that are enough to see the first five of any member

InflateError = cast(type[Exception], isal_zlib.error)  # the stub of isal takes it for an instance


class Unreadable(Exception):
    """Stored bytes that cannot be read on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Stream:
    """Bytes read forward in bounded steps, with what is ahead of the reader in ``buffer[at:]``."""

    followers: tuple[bytes, ...] = (b"WARC/",)  # what may stand after a record, besides the end

    def __init__(self) -> None:
        self.buffer = b""
        self.at = 0

    @property
    def end(self) -> int:
        """Offset in the stored file after the stream, once the reader has come to its end."""
        raise NotImplementedError

    def fill(self, count: int, *, in_record: bool = False) -> bool:
        """Have ``count`` bytes ahead; False when the stream ends before. ``in_record``: the record may be continued."""
        have = len(self.buffer) - self.at
        if have >= count:
            return True
        pieces = [self.buffer[self.at :]]
        while have < count:
            piece = self._more(in_record)
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        self.buffer = b"".join(pieces)
        self.at = 0
        return have >= count

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, or those that are left."""
        self.fill(count, in_record=True)
        taken = self.buffer[self.at : self.at + count]
        self.at += len(taken)
        return taken

    def take_head(self, limit: int) -> bytes | None:
        """The lines before the first blank one, which is passed over too; None if ``limit`` bytes hold none."""
        while True:
            if match := BLANK_LINE.search(self.buffer, self.at, self.at + limit):
                head = self.buffer[self.at : match.start()]
                self.at = match.end()
                return head
            have = len(self.buffer) - self.at
            if have >= limit or not self.fill(have + 1, in_record=True):
                return None

    def starts(self, prefix: bytes) -> bool:
        self.fill(len(prefix))
        return self.buffer.startswith(prefix, self.at)

    def goes_on(self) -> bool:
        """Whether there is another record, or anything that stands in the place of one."""
        return self.fill(1)

    def record_ends_after(self, count: int) -> bool:
        """Whether ``count`` bytes are ahead and then, after line ends, a follower or the end."""
        if not self.fill(count, in_record=True):
            return False
        self.fill(count + 9)
        following = self.buffer[self.at + count : self.at + count + 9].lstrip(b"\r\n")
        return not following or following.startswith(self.followers)

    def skip(self, count: int) -> bool:
        """Pass over ``count`` bytes without holding them; False when the stream ends before."""
        while count:
            if not self.fill(1, in_record=True):
                return False
            step = min(count, len(self.buffer) - self.at)
            self.at += step
            count -= step
        return True

    def skip_line_ends(self) -> None:
        while self.fill(1) and self.buffer[self.at] in b"\r\n":
            self.at += 1

    def skip_to_next_record(self) -> None:
        """Pass over everything before the next thing that looks like the start of a record, or to the end."""
        while True:
            found = self.buffer.find(NEXT_RECORD, self.at)
            if found >= 0:
                self.at = found + 4
                return
            have = len(self.buffer) - self.at
            if not self.fill(have + 1):
                self.at = len(self.buffer)
                return
            self.at += max(0, have - len(NEXT_RECORD))

    def can_hold(self, count: int) -> bool:
        """False when it is known beforehand that fewer than ``count`` bytes are left."""
        return True

    def position(self, nth: int) -> int:
        """Offset in the stored file of the stream's ``nth`` record (from 0), at whose start the reader stands."""
        raise NotImplementedError

    def _more(self, in_record: bool) -> bytes:
        """The next piece; nothing at the end."""
        raise NotImplementedError


class PlainStream(Stream):
    """The uncompressed bytes of a file from ``offset`` to ``limit``.

    With ``among_members`` it ends earlier where, between two records, a gzip member begins.
    """

    def __init__(self, window: Window, offset: int, limit: int, *, among_members: bool = False) -> None:
        super().__init__()
        self._window = window
        self._read = offset
        self._limit = limit
        if among_members:
            self.followers = (b"WARC/", GZIP_MAGIC)

    @property
    def end(self) -> int:
        return self.position(0)

    def goes_on(self) -> bool:
        return self.fill(1) and not (GZIP_MAGIC in self.followers and self.starts(GZIP_MAGIC))

    def position(self, nth: int) -> int:
        return self._read - (len(self.buffer) - self.at)

    def can_hold(self, count: int) -> bool:
        return self.position(0) + count <= self._limit

    def skip(self, count: int) -> bool:
        target = self.position(0) + count
        if count > len(self.buffer) - self.at:
            self.buffer, self.at, self._read = b"", 0, min(target, self._limit)
        else:
            self.at += count
        return target <= self._limit

    def _more(self, in_record: bool) -> bytes:
        piece = self._window.at(self._read, min(INPUT_STEP, self._limit - self._read))
        self._read += len(piece)
        return piece


class MemberStream(Stream):
    """One gzip member, inflated. A record that is cut at its end goes on in the next member, if that begins none.

    Records after the first of a member have no offset of their own in the stored file: each stands one byte after
    the one before, and the last takes the rest of the member, so that places stay ordered, distinct and complete.
    """

    def __init__(self, window: Window, offset: int, max_record_bytes: int) -> None:
        super().__init__()
        self._window = window
        self._offset = offset
        self._max_record_bytes = max_record_bytes
        self._inflated = 0  # bytes since the last record began
        self._nth = 0
        self._open(offset)

    @property
    def end(self) -> int:
        return self._fed

    def position(self, nth: int) -> int:
        if nth != self._nth:
            self._nth, self._inflated = nth, 0
        return self._offset + nth if self.fill(1) else self._fed

    def _open(self, offset: int) -> None:
        self._inflater = isal_zlib.decompressobj(31)
        self._waiting = b""  # fed but not yet consumed
        self._full = False  # the last step gave all it was allowed to: there may be more without new input
        self._fed = offset

    def _more(self, in_record: bool) -> bytes:
        while True:
            while not self._inflater.eof:
                if piece := self._inflate():
                    return piece
            if not in_record or not is_member(self._window, self._fed) or begins_record(self._window, self._fed):
                return b""
            self._open(self._fed)

    def _inflate(self) -> bytes:
        """One step: at most OUTPUT_STEP bytes, and perhaps none."""
        fed = self._waiting if self._waiting or self._full else self._feed()
        try:
            piece = self._inflater.decompress(fed, OUTPUT_STEP)
        except InflateError as error:
            raise Unreadable("warc.bad_gzip", f"gzip member does not inflate: {error}") from error
        self._waiting = self._inflater.unconsumed_tail
        self._full = len(piece) == OUTPUT_STEP
        if self._inflater.eof:
            self._fed -= len(self._inflater.unused_data)
        elif fed and not piece and self._waiting == fed:
            raise Unreadable("warc.bad_gzip", "gzip member does not inflate: no progress")
        self._inflated += len(piece)
        if self._inflated > self._max_record_bytes:
            detail = f"a record inflates to more than {self._max_record_bytes:,} bytes"
            raise Unreadable("warc.record_too_large", detail)
        return piece

    def _feed(self) -> bytes:
        # Most members end where the next magic bytes are: feeding up to them leaves nothing over to be copied.
        piece = self._window.before(GZIP_MAGIC, self._fed, INPUT_STEP)
        if not piece:
            raise Unreadable("warc.cut", "the file ends inside a gzip member")
        self._fed += len(piece)
        return piece


def is_member(window: Window, offset: int) -> bool:
    return window.at(offset, len(GZIP_MAGIC)) == GZIP_MAGIC


def begins_record(window: Window, offset: int) -> bool:
    """Whether a gzip member lies at ``offset`` that inflates to the start of a WARC record."""
    if not is_member(window, offset):
        return False
    try:
        return isal_zlib.decompressobj(31).decompress(window.at(offset, PROBE), 5) == b"WARC/"
    except InflateError:
        return False


def next_sound_member(window: Window, offset: int) -> int:
    """Offset of the first member at or after ``offset`` that begins a record; the size of the file if there is none.

    A part of a file begins here. Only a sound member whose own stored bytes hold another gzipped WARC file could be
    mistaken, and only where a cut falls inside of it.
    """
    while (offset := window.find(GZIP_MAGIC, offset)) < window.size and not begins_record(window, offset):
        offset += 1
    return offset
