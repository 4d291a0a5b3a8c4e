from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup import lines


def keyed(texts: list[str], part: int = 0) -> pa.Table:
    table = lines.keys(texts)
    return table.append_column("part", pa.array([part] * table.num_rows, pa.int32()))


def cut(texts: list[str], keep: int) -> list[str]:
    out: dict[int, list[int]] = {row: [] for row in range(len(texts))}
    for answer in lines.reduce(keyed(texts), keep).to_pylist():
        out[answer["row"]].append(answer["line"])
    return [lines.remove(text, out[row]) for row, text in enumerate(texts)]


def test_heads_and_tails_are_five_lines_that_are_not_blank() -> None:
    """Catches blank lines that take a place, and line numbers that count only the others."""
    text = "\n".join(["", *(f"line {i}\n" for i in range(12))])
    numbers = [number for number in range(1, 25) if text.split("\n")[number]]
    assert lines.keys([text])["line"].to_pylist() == numbers[:5] + numbers[-5:]


def test_a_line_in_head_and_tail_counts_once() -> None:
    """Catches short documents whose lines would use up the allowance twice."""
    assert lines.keys(["one\ntwo\nthree"])["line"].to_pylist() == [0, 1, 2]
    assert lines.keys(["\n".join(f"line {i}" for i in range(8))])["line"].to_pylist() == list(range(8))


def test_lines_that_differ_in_white_space_are_the_same() -> None:
    keys = lines.keys(["  Home \t page", "Home page", "home page"])["key"].to_pylist()
    assert keys[0] == keys[1] != keys[2]


def test_lines_without_words_are_never_taken_out() -> None:
    """Catches braces and rules that vanish from code and tables because every page has them."""
    assert lines.keys(["}\n---\n1\n你\n*", ""]).num_rows == 0


def test_first_occurrences_stay_in_order_of_part_row_and_line() -> None:
    """Catches a choice that depends on the order in which rows arrive."""
    table = pa.concat_tables([keyed(["menu\nb1", "menu\nmenu"], 1), keyed(["menu", "a1\nmenu"], 0)])
    answers = lines.reduce(table, 2).to_pylist()
    assert answers == [
        {"part": 1, "row": 0, "line": 0},
        {"part": 1, "row": 1, "line": 0},
        {"part": 1, "row": 1, "line": 1},
    ]


def test_a_line_seen_as_often_as_allowed_stays_everywhere() -> None:
    """Catches counting from 0 instead of 1."""
    assert lines.reduce(keyed(["share this"] * 200)).num_rows == 0
    assert lines.reduce(keyed(["share this"] * 201)).to_pylist() == [{"part": 0, "row": 200, "line": 0}]
    assert lines.reduce(keyed([])).num_rows == 0


def test_occurrences_of_earlier_runs_come_first() -> None:
    """Catches an allowance that starts anew with each crawl, and keys matched to a neighbour's count."""
    now = keyed(["menu", "menu", "share this", "fresh line"])
    before = lines.count(keyed(["menu"] * 3 + ["share this"] * 9 + ["gone line"] * 9))
    assert {(row["row"], row["line"]) for row in lines.reduce(now, 4, before).to_pylist()} == {(1, 0), (2, 0)}
    assert lines.reduce(now, 4, lines.add_up([])).equals(lines.reduce(now, 4))


@given(st.lists(st.lists(st.sampled_from(["one", "two", "three"]), max_size=9), max_size=4))
def test_counts_add_up_in_any_split(parts: list[list[str]]) -> None:
    """Catches occurrences lost or doubled where counts of several runs are joined, and an order that depends on it."""
    added = lines.add_up([lines.count(keyed(part)) for part in parts])
    assert added.equals(lines.count(keyed([text for part in parts for text in part])))
    assert added.schema == lines.COUNTS
    assert sum(added["count"].to_pylist()) == sum(map(len, parts))


def test_blank_keeps_the_numbers_of_the_other_lines() -> None:
    """Catches line numbers that shift behind a line that a site rule took out."""
    text = "menu\nbody\nfoot"
    assert lines.blank(text, [0]) == "\nbody\nfoot" and lines.blank(text, []) == text
    assert lines.keys([lines.blank(text, [0])])["line"].to_pylist() == [1, 2]


def test_remove_takes_out_line_numbers_of_the_original() -> None:
    assert lines.remove("a\n\nb\nc", [0, 3]) == "\nb"
    assert lines.remove("a\nb", []) == "a\nb"


@given(
    st.lists(st.lists(st.sampled_from(["menu bar", "share this", "body", ""]), max_size=12), max_size=8),
    st.integers(1, 4),
)
def test_no_more_than_the_allowance_is_lost(pages: list[list[str]], keep: int) -> None:
    texts = ["\n".join(page) for page in pages]
    before, after = (Counter("\n".join(side).split("\n")) for side in (texts, cut(texts, keep)))
    for line in ("menu bar", "share this", "body"):
        assert min(before[line], keep) <= after[line] <= before[line]
