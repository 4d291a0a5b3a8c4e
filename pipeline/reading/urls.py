"""The address of a page as it is written on."""

from __future__ import annotations

import re

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?:[^/?#\\]*@)?(?P<host>\[[0-9a-f:.]+\]|[^\s/?#\\:@\[\]]+)(?::(?P<port>[0-9]{0,5}))?(?P<rest>[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_LOGIN = re.compile(r"//[^/?#\\]*@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def clean_url(url: str) -> str | None:
    """The URL without angle brackets and user:password, controls percent-encoded; None if it is no web address."""
    url = url.strip()
    if url.startswith("<") and url.endswith(">"):
        url = url[1:-1].strip()
    match = _ADDRESS.fullmatch(url)
    if match is None or int(match["port"] or 0) > 65535:
        return None
    port = f":{match['port']}" if match["port"] else ""
    rest = _CONTROL.sub(lambda control: f"%{ord(control[0]):02X}", match["rest"] or "")
    return f"{match['scheme']}://{match['host']}{port}{rest}"


def without_login(text: str) -> str:
    """The text, which may be no URL at all, without what would be user:password in one."""
    return _LOGIN.sub("//", text)
