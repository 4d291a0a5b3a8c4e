"""Lines of a batch of texts, read through the marks of light Markdown.

A page has the same lines and words with and without its marks: they become white space before anything is counted.
Marks are, at the head of a line and one behind the other, "# " to "###### ", "- ", "1. " and "> " (also ">>", and a
bare ">"); the pipes of a table's row (|…|) and its rule (| --- |); and the fences around verbatim text: three or more
of ` or ~ and at most one word behind them, closed by as many, or by the end. What marks say is kept in a line's flags.

Lines of code, of tables and of display formulas ($…$) are ``MARKUP``: read as words, but not judged as prose. Not all
that stands between fences is code: pages hold letters, poems and plain documents as verbatim text. Where at least half
of the tokens are plain words, and the lines are long enough to say something, it is read as if there were no fences.
"""

from __future__ import annotations

import re

import numpy as np
from numba import njit

from rules.characters import (
    APOSTROPHE,
    DIGIT,
    GARBLED,
    LATIN_LOWER,
    LATIN_UPPER,
    MARK,
    NEWLINE,
    SPACE,
    TERMINAL,
    UNSPACED,
    WIDE_TERMINAL,
)

# Bits of a line's flags.
ENDS_SENTENCE = 1  # its last character is a sentence mark, seen through closing quotes and brackets
ENDS_ELLIPSIS = 2
BULLET = 4
MARKUP = 8
REPEATED = 16  # the same line stood earlier in the text (never set on MARKUP)
NEW_PARAGRAPH = 32

PLAIN_TOKENS = 0.5  # least share of plain words among the tokens of verbatim text that is prose
PROSE_WIDTH = 30  # least mean width of its lines, in Latin characters

_HASH, _DASH, _DOT, _QUOTE, _PIPE, _DOLLAR, _COLON, _BACKTICK, _TILDE, _BULLET = (ord(sign) for sign in "#-.>|$:`~•")
_ZERO, _NINE, _LAST_ASCII = ord("0"), ord("9"), 127
_IN_PROSE = tuple(ord(sign) for sign in ',:"()')  # beside sentence marks and signs that are not ASCII
_LONGEST_HEADING = 6
_LONGEST_NUMBER = 9  # digits, as in CommonMark
_SHORTEST_FENCE = 3

_FENCE = re.compile(r"`{3,}\s*[^\s`]*|~{3,}\s*[^\s~]*")
_MARKS = re.compile(r"(?:(?:>+|-|#{1,6}|[0-9]{1,9}\.)\s+|>+$)*")
_RULE = re.compile(r"\|[\s:|-]*\|")


def without_marks(line: str) -> str:
    """A line as the rules read it: without its marks and the space around it, "" where nothing else is there."""
    line = line.strip()
    if _FENCE.fullmatch(line):
        return ""
    line = _MARKS.sub("", line, count=1)
    return "" if _RULE.fullmatch(line) else line


@njit(cache=True, nogil=True)
def find_lines(codes: np.ndarray, kinds: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Start, end and first flags (BULLET, MARKUP, NEW_PARAGRAPH) of the lines, and the first line of each text.

    Lines without text are left out. ``kinds`` is changed: what is a mark becomes SPACE. Returns int32, int32,
    uint8[lines] and int64[texts + 1].
    """
    capacity = offsets.size + np.count_nonzero(kinds == NEWLINE)
    start, end = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    flags = np.empty(capacity, np.uint8)
    first = np.zeros(offsets.size, np.int64)
    n = 0
    for text in range(offsets.size - 1):
        i, stop = offsets[text], offsets[text + 1]
        closing, code = -1, False  # where the fence stands that ends the verbatim text around i; whether that is code
        after_blank = True
        while i < stop:
            head, tail, i = _next_line(kinds, i, stop)
            if head == tail:
                after_blank = True
                continue
            fence = _fence(codes, kinds, head, tail) if closing < 0 else 0
            if fence > 0 or head == closing:
                kinds[head:tail] = SPACE
                closing = _closing_fence(codes, kinds, i, stop, codes[head], fence) if fence > 0 else -1
                code = fence > 0 and not _is_prose(codes, kinds, i, closing)
                continue
            flag = MARKUP
            if not code:
                head, tail, flag = _read_marks(codes, kinds, head, tail)
            if head < tail:
                start[n], end[n], flags[n] = head, tail, flag | (NEW_PARAGRAPH if after_blank else 0)
                n += 1
            after_blank = head == tail and flag == 0
        first[text + 1] = n
    return start[:n], end[:n], flags[:n], first


@njit(cache=True, nogil=True)
def _next_line(kinds: np.ndarray, i: int, stop: int) -> tuple[int, int, int]:
    """Start and end of the line at i without the space around it, and where the next line begins."""
    head = tail = i
    while tail < stop and kinds[tail] != NEWLINE:
        tail += 1
    following = tail + 1
    while head < tail and kinds[head] == SPACE:
        head += 1
    while head < tail and kinds[tail - 1] == SPACE:
        tail -= 1
    return head, tail, following


@njit(cache=True, nogil=True)
def _run(codes: np.ndarray, head: int, tail: int) -> int:
    """How often the first sign of a line stands there one behind the other."""
    i = head
    while i < tail and codes[i] == codes[head]:
        i += 1
    return i - head


@njit(cache=True, nogil=True)
def _fence(codes: np.ndarray, kinds: np.ndarray, head: int, tail: int) -> int:
    """The number of signs of the fence that a line opens verbatim text with, 0 where it is no fence."""
    if codes[head] not in (_BACKTICK, _TILDE):
        return 0
    length = _run(codes, head, tail)
    word = head + length
    while word < tail and kinds[word] == SPACE:
        word += 1
    for i in range(word, tail):
        if kinds[i] == SPACE or codes[i] == codes[head]:
            return 0
    return length if length >= _SHORTEST_FENCE else 0


@njit(cache=True, nogil=True)
def _closing_fence(codes: np.ndarray, kinds: np.ndarray, i: int, stop: int, sign: int, length: int) -> int:
    """Where the line begins that closes a fence: of the same sign alone, and as long; the text's end without one."""
    while i < stop:
        head, tail, i = _next_line(kinds, i, stop)
        if tail - head >= length and codes[head] == sign and _run(codes, head, tail) == tail - head:
            return head
    return stop


@njit(cache=True, nogil=True)
def _is_prose(codes: np.ndarray, kinds: np.ndarray, i: int, stop: int) -> bool:
    """Is the verbatim text from i to stop made of plain words, in lines that are long enough?"""
    tokens, plain, lines, width = 0, 0, 0, 0.0
    while i < stop:
        head, tail, i = _next_line(kinds, i, stop)
        lines += head < tail
        width += tail - head
        head += _run(codes, head, tail) if head < tail and codes[head] == _QUOTE else 0
        while head < tail:
            after = head
            while after < tail and kinds[after] != SPACE:
                width += 1.5 * (UNSPACED <= kinds[after] <= GARBLED)
                after += 1
            tokens += after > head
            plain += _is_plain(codes, kinds, head, after)
            head = after + 1
    return lines > 0 and plain >= PLAIN_TOKENS * tokens and width >= PROSE_WIDTH * lines


@njit(cache=True, nogil=True)
def _is_plain(codes: np.ndarray, kinds: np.ndarray, head: int, tail: int) -> bool:
    """Is a token a plain word: letters alone, with signs of prose around it, and no capital inside?

    In scripts without spaces a token is a whole sentence: at least half of it must be such letters.
    """
    letters, behind, wide, odd = 0, False, 0, False
    for i in range(head, tail):
        kind = kinds[i]
        if LATIN_UPPER <= kind < DIGIT:
            odd |= behind or (kind == LATIN_UPPER and i > head and kinds[i - 1] == LATIN_LOWER)
            letters += 1
            wide += UNSPACED <= kind <= GARBLED
        elif kind in (TERMINAL, WIDE_TERMINAL) or codes[i] in _IN_PROSE or codes[i] > _LAST_ASCII:
            behind = letters > 0 and kind != MARK and kind != APOSTROPHE
        else:
            odd |= kind != APOSTROPHE
    return 2 * wide >= tail - head if wide > 0 else letters > 0 and not odd


@njit(cache=True, nogil=True)
def _read_marks(codes: np.ndarray, kinds: np.ndarray, head: int, tail: int) -> tuple[int, int, int]:
    """Makes the marks of a line SPACE. Returns where its text begins and ends, and its flags."""
    flag = 0
    while head < tail:
        if codes[head] == _DASH or codes[head] == _BULLET:  # as in datatrove, with or without a space behind it
            flag = BULLET
        mark = _mark(codes, kinds, head, tail)
        if mark == 0:
            break
        kinds[head : head + mark] = SPACE
        head += mark
        while head < tail and kinds[head] == SPACE:
            head += 1
    if tail - head < 2 or codes[head] != codes[tail - 1] or codes[head] not in (_PIPE, _DOLLAR):
        return head, tail, flag if head < tail else 0
    if codes[head] == _PIPE:
        _read_row(codes, kinds, head, tail)
        head, tail, _ = _next_line(kinds, head, tail)
    return head, tail, flag | MARKUP


@njit(cache=True, nogil=True)
def _mark(codes: np.ndarray, kinds: np.ndarray, head: int, tail: int) -> int:
    """The number of signs of the mark that a line begins with, without the space behind it; 0 where it has none."""
    sign = codes[head]
    length = 0
    if sign == _DASH:
        length = 1
    elif sign == _QUOTE:
        length = _run(codes, head, tail)
        if head + length == tail:
            return length
    elif sign == _HASH:
        length = _run(codes, head, tail)
        length = length if length <= _LONGEST_HEADING else 0
    elif _ZERO <= sign <= _NINE:
        while length <= _LONGEST_NUMBER and head + length < tail and _ZERO <= codes[head + length] <= _NINE:
            length += 1
        is_number = length <= _LONGEST_NUMBER and head + length < tail and codes[head + length] == _DOT
        length = length + 1 if is_number else 0
    return length if length > 0 and head + length < tail and kinds[head + length] == SPACE else 0


@njit(cache=True, nogil=True)
def _read_row(codes: np.ndarray, kinds: np.ndarray, head: int, tail: int) -> None:
    """Makes the pipes of a table's row SPACE, and all of it where it is a rule."""
    is_rule = True
    for i in range(head, tail):
        is_rule &= codes[i] in (_PIPE, _DASH, _COLON) or kinds[i] == SPACE
    for i in range(head, tail):
        if is_rule or codes[i] == _PIPE:
            kinds[i] = SPACE
