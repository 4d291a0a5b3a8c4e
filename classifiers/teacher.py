"""A model behind an OpenAI-compatible chat endpoint that labels pages (``POST <endpoint>/chat/completions``).

What comes back is judged like any other input: an answer that is not one of the task's labels is asked for once more,
with what was wrong with it, and then counted as a failure of that page.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import UserError

SHOWN = 4000  # characters of a text that the teacher sees; the models look at no more
ATTEMPTS = 5  # of one question, where the server is busy, broken or out of reach
LONGEST_WAIT = 60.0  # seconds between two of them
LARGEST_ANSWER = 1_000_000  # bytes
MOST_BRACES = 1000  # of a reply that are tried as the start of a JSON object
BUSY = {408, 409, 425, 429, 500, 502, 503, 504, 529}
HOPELESS = {401, 403, 404, 405}  # whatever is asked

Message = dict[str, str]


class Failed(Exception):
    """A page that got no label: a reason that can be counted, and what the endpoint said."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class _Retry(Exception):
    """To be asked again after some seconds; ``final`` is what it comes to in the end."""

    def __init__(self, final: Failed | UserError, seconds: float = 0.0) -> None:
        super().__init__(str(final))
        self.final, self.seconds = final, seconds


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take pages and key to an address that nobody named: it is an error like any other status."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


@dataclass(frozen=True)
class Answer:
    label: str
    second: str | None
    sureness: float | None  # 0 to 1


@dataclass(frozen=True)
class Teacher:
    """``prompt`` is the guide that goes before every page. ``stop`` ends all waiting."""

    endpoint: str
    model: str
    prompt: str
    labels: tuple[str, ...]
    key: str | None = None
    timeout: float = 120.0  # seconds that one answer may take
    first_wait: float = 0.5  # seconds before the second attempt; doubled for each further one
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if not re.match(r"https?://[^/\s]", self.endpoint):
            raise UserError(f"the endpoint {self.endpoint} must be a web address such as http://localhost:8000/v1")

    @property
    def prompt_sha256(self) -> str:
        return hashlib.sha256(self.prompt.encode()).hexdigest()

    def label(self, text: str, url: str = "", title: str = "") -> Answer:
        """Raises Failed for a page without an answer that can be used, UserError where asking on is of no use."""
        page = f"address: {url or 'unknown'}\ntitle: {title or 'unknown'}\ntext:\n{text[:SHOWN]}"
        messages = [{"role": "system", "content": self.prompt}, {"role": "user", "content": page}]
        reply = self._ask(messages)
        try:
            return parse(reply, self.labels)
        except Failed as failure:
            again = f"That cannot be used ({failure.detail}). Answer again, with the one JSON object alone."
        messages += [{"role": "assistant", "content": reply}, {"role": "user", "content": again}]
        return parse(self._ask(messages), self.labels)

    def _ask(self, messages: list[Message]) -> str:
        """The text of one reply, after as many attempts as it takes."""
        body = json.dumps({"model": self.model, "messages": messages, "temperature": 0}).encode()
        attempt, wait = 1, self.first_wait
        while True:
            try:
                return _content(self._post(body))
            except _Retry as retry:
                if attempt == ATTEMPTS or self.stop.wait(max(wait, retry.seconds)):
                    raise retry.final from None
                attempt, wait = attempt + 1, min(2 * wait, LONGEST_WAIT)

    def _post(self, body: bytes) -> bytes:
        """Raises _Retry, Failed or UserError by what a refusal means."""
        headers = {"Content-Type": "application/json", "User-Agent": "crawlmix"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(f"{self.endpoint.rstrip('/')}/chat/completions", body, headers)
        try:
            with _OPENER.open(request, timeout=self.timeout) as response:
                answer: bytes = response.read(LARGEST_ANSWER)
                return answer
        except urllib.error.HTTPError as error:
            failed = Failed(f"http.{error.code}", _line(error.read(LARGEST_ANSWER).decode("utf-8", "replace")))
            if error.code in BUSY:
                raise _Retry(failed, _seconds(error.headers.get("Retry-After", ""))) from None
            if error.code in HOPELESS or error.code < 400:
                what = f"HTTP {error.code} {error.reason}: {failed.detail}"
                raise UserError(f"the endpoint {self.endpoint} refuses to answer ({what})") from None
            raise failed from None
        except urllib.error.URLError as error:
            raise _Retry(UserError(f"the endpoint {self.endpoint} cannot be reached: {error.reason}")) from None
        except (OSError, http.client.HTTPException) as error:
            raise _Retry(Failed("connection", f"{type(error).__name__} {error}")) from None


def parse(reply: str, labels: tuple[str, ...]) -> Answer:
    """The last JSON object with a ``label``, whatever stands around it. Raises Failed where it is of no use."""
    found: dict[str, Any] | None = None
    start = reply.find("{")
    for _ in range(MOST_BRACES):
        if start < 0:
            break
        try:
            value, end = json.JSONDecoder().raw_decode(reply, start)
            found = value if "label" in value else found
        except (ValueError, RecursionError):
            end = start + 1
        start = reply.find("{", end)
    if found is None:
        raise Failed("answer.no_label", "there is no JSON object with a label")
    label, second, sureness = str(found["label"]), str(found.get("second")), found.get("sureness")
    if label not in labels:
        raise Failed("answer.unknown_label", f"there is no label {_line(label)!r}")
    is_share = isinstance(sureness, (int, float)) and 0 <= sureness <= 1
    return Answer(
        label=label,
        second=second if second in labels and second != label else None,
        sureness=float(sureness) if sureness is not None and is_share else None,
    )


def _content(completion: bytes) -> str:
    try:
        return str(json.loads(completion)["choices"][0]["message"]["content"])
    except (ValueError, LookupError, TypeError, RecursionError):
        said = _line(completion[:1000].decode("utf-8", "replace"))
        raise Failed("answer.no_completion", f"no chat completion: {said}") from None


def _seconds(retry_after: str) -> float:
    return min(float(retry_after), LONGEST_WAIT) if retry_after.isdecimal() else 0.0


def _line(text: str) -> str:
    """The beginning of what a server says, fit for a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)[:200].strip()
