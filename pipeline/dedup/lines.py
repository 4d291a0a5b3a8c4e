"""Line dedup between documents: lines that many pages share at their head or tail, such as menus and licences.

The report (dots.llm1, section 4.1) takes the first 5 and last 5 lines of each document; a line seen more than 200 times
keeps its first 200 occurrences. Occurrences in earlier crawls can be counted first, so that it works from crawl to
crawl.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

EDGE = 5  # lines at the head and at the tail of a document
KEEP = 200  # occurrences of a line that stay
MIN_LETTERS = 2  # a line with fewer letters and digits is structure (a brace, a rule, a bullet): it is never taken out

KEYS = pa.schema({"key": pa.uint64(), "row": pa.int32(), "line": pa.int32()})
COUNTS = pa.schema({"key": pa.uint64(), "count": pa.int64()})  # occurrences of lines, in the order of keys


def keys(texts: Sequence[str]) -> pa.Table:
    """One row for each line of each head and tail: key (64-bit hash of the line), row (place in ``texts``), line.

    ``line`` is the line's number in the text. Heads and tails are made of non-blank lines; where they overlap, a line
    counts once. Lines that differ in white space alone are the same.
    """
    found, row, line = [], [], []
    for place, text in enumerate(texts):
        for number, words in _edges(text):
            found.append(hashlib.blake2b(words.encode(), digest_size=8).digest())
            row.append(place)
            line.append(number)
    hashes = np.frombuffer(b"".join(found), "<u8").astype(np.uint64)
    return pa.table([pa.array(hashes), pa.array(row, pa.int32()), pa.array(line, pa.int32())], schema=KEYS)


def _edges(text: str) -> list[tuple[int, str]]:
    """Number and normal form of the head's and tail's lines."""
    lines = text.split("\n")
    head = _first(lines, range(len(lines)))
    tail = _first(lines, range(len(lines) - 1, head[-1] if head else -1, -1))
    edges = [(number, " ".join(lines[number].split())) for number in head + tail[::-1]]
    return [(number, words) for number, words in edges if sum(map(str.isalnum, words)) >= MIN_LETTERS]


def _first(lines: list[str], numbers: range) -> list[int]:
    """The first EDGE of ``numbers`` whose line is not blank."""
    found: list[int] = []
    for number in numbers:
        if len(found) == EDGE:
            break
        if lines[number].strip():
            found.append(number)
    return found


def reduce(rows: pa.Table, keep: int = KEEP, earlier: pa.Table | None = None) -> pa.Table:
    """The lines to take out, part, row, line: all occurrences of a key after the first ``keep`` in that order.

    ``earlier`` (schema ``COUNTS``) holds occurrences that came before all of these.
    """
    part, row, line, key = (rows[name].to_numpy() for name in ("part", "row", "line", "key"))
    order = np.lexsort((line, row, part, key))
    key = key[order]
    place = np.arange(len(key)) - np.searchsorted(key, key, side="left")
    if earlier is not None:
        place += _counts_of(key, earlier)
    return rows.select(["part", "row", "line"]).take(pa.array(order[place >= keep]))


def _counts_of(key: np.ndarray, counts: pa.Table) -> np.ndarray:
    """int64[key]: each key's count, 0 where there is none."""
    at = pc.index_in(pa.array(key), value_set=counts["key"].combine_chunks())
    return pc.fill_null(counts["count"].take(at), 0).to_numpy()


def count(rows: pa.Table) -> pa.Table:
    """Occurrences of each key of ``rows`` (schema ``COUNTS``)."""
    ones = pa.array(np.ones(rows.num_rows, np.int64))
    return add_up([pa.table([rows["key"], ones], schema=COUNTS)])


def add_up(counts: Sequence[pa.Table]) -> pa.Table:
    """Several counts (schema ``COUNTS``) as one."""
    groups = pa.concat_tables([COUNTS.empty_table(), *counts]).group_by("key", use_threads=False)
    sums = groups.aggregate([("count", "sum")]).sort_by("key")
    return pa.table([sums["key"], sums["count_sum"]], schema=COUNTS)


def blank(text: str, lines: Collection[int]) -> str:
    """``text`` with the lines of these numbers emptied; the others keep their numbers."""
    if not lines:
        return text
    out = set(lines)
    return "\n".join("" if number in out else line for number, line in enumerate(text.split("\n")))


def remove(text: str, lines: Collection[int]) -> str:
    """``text`` without the lines of these numbers."""
    if not lines:
        return text
    out = set(lines)
    return "\n".join(line for number, line in enumerate(text.split("\n")) if number not in out)
