"""Personal data is found and masked, and what only looks like it is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rules
from rules import pii


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to jane.doe+news@mail.example.co.uk.", "Write to [email]."),
        ("联系邮箱：zhang_san@example.com，谢谢", "联系邮箱：[email]，谢谢"),
        ("电话13800138000或010-12345678。", "电话[phone]或[phone]。"),
        ("Call (212) 555-0123, 212-555-0199 or +44 20 7946 0958.", "Call [phone], [phone] or [phone]."),
        ("手机 +86 138 0013 8000", "手机 [phone]"),
        ("身份证号11010519491231002X，", "身份证号[id_number]，"),
        ("From 8.8.8.8 to 93.184.216.34.", "From [ip_address] to [ip_address]."),
        ("2012-05-06 13800138000", "2012-05-06 [phone]"),
        ("QQ邮箱13800138000@qq.com", "QQ邮箱[email]"),
    ],
)
def test_found(text: str, masked: str) -> None:
    """Catches: data that stays in the text, and masks that take the text beside it along."""
    assert pii.mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Version 1.2.3 of 2012-05-06 12:30:45, pages 1234-1240.",
        "ISBN 978-3-16-148410-0 costs 1,234,567.89 euros.",
        "身份证号110105194912310021",  # wrong check digit
        "Hosts 192.168.0.1, 127.0.0.1, 10.0.0.7 and 999.1.1.1.",
        "Part no. AB13800138000, hash 13800138000f and file_13800138000.",
        "Follow @someone, a @ b, or user@localhost.",
        "Between 1990 and 2020 there were 1 000 000 of 3.14159265358979.",
        "人口 2 345 678（2010年11月1日），编号20101101000123。",
    ],
)
def test_not_personal(text: str) -> None:
    """Catches: dates, prices, book numbers, private addresses and wrong check digits taken for personal data."""
    assert pii.mask(text) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(["a@b.org", "+1 212 555 0123", "8.8.8.8", *"@.1( 中"]), st.text(max_size=2))))
def test_counts_agree_with_find(pieces: list[str]) -> None:
    """Catches: signals that count other things than what is masked, and items of one text counted in the next."""
    text = "".join(pieces)
    signals = rules.measure([text, "", text], ["en"] * 3)
    for kind, column in (("email", "emails"), ("phone", "phones"), ("ip_address", "ip_addresses")):
        expected = sum(item.kind == kind for item in pii.find(text))
        assert signals[f"pii.{column}"].to_pylist()[:2] == [expected, 0]
    assert pii.found(signals)[:2] == [bool(pii.find(text)), False]
    ends = [0, *(item.end for item in pii.find(text))]
    assert all(end <= item.start < item.end for end, item in zip(ends, pii.find(text), strict=False))


def test_texts_side_by_side() -> None:
    """Catches: an item that begins in one text and ends in the next."""
    signals = rules.measure(["call 212-555-", "0123 or me@", "example.org"], ["en"] * 3)
    assert signals["pii.items"].to_pylist() == [0, 0, 0]


def test_a_list_of_people_is_dropped() -> None:
    """Catches: a page of addresses that passes because each of them is masked."""
    text = "".join(f"Member number {n} writes as member{n}@example.org to all.\n" for n in range(40))
    failed = rules.failures(rules.measure([text], ["en"]), ["en"], rules.load_thresholds())
    assert failed["pii.dense"][0].as_py()
