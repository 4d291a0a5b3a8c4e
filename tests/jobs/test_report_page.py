"""The report page in a real browser: it draws, filters, sorts and prints, and runs and loads nothing of a page's."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_report import EVIL, write_run

from jobs import report
from pipeline.report import summarise
from pipeline.run import open_run

aiohttp = pytest.importorskip("aiohttp", reason="aiohttp speaks to the browser")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"]
COMPLAINTS = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening")
SECONDS = 30  # the longest that the browser may be silent


class Tab:
    """A tab of a headless Chromium, driven by the DevTools protocol. ``events`` holds what it told by itself."""

    def __init__(self, run: Callable[[Awaitable[Any]], Any], socket: Any, file: Path) -> None:
        self._run, self._socket, self._file = run, socket, file
        self._sent = 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Log", "Runtime", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._sent += 1
        self._run(self._socket.send_json({"id": self._sent, "method": method, "params": parameters}))
        answer = self._until(lambda message: message.get("id") == self._sent)
        assert "error" not in answer, answer
        return answer["result"]

    def draw(self, summary: dict[str, Any], fragment: str = "") -> None:
        """Opens the report of ``summary``, without waiting for transitions to end."""
        self._file.write_text(report.render(summary), encoding="utf-8")
        self.media("screen")
        self.send("Page.navigate", url=f"{self._file.as_uri()}{fragment}")
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def media(self, medium: str, scheme: str = "light") -> None:
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        pairs = [{"name": name, "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", media=medium, features=pairs)

    def value(self, expression: str) -> Any:
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, element: str) -> None:
        """A click with the mouse in the middle of what the expression ``element`` gives."""
        x, y = self.value(f"""(() => {{
            const node = {element};
            node.scrollIntoView({{ block: "center" }});
            const box = node.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def column(self, section: str, number: int) -> list[str]:
        """The cells of a column as a reader sees them from top to bottom."""
        cells = f"[...document.querySelectorAll('#{section} tbody tr > :nth-child({number})')]"
        return self.value(
            f"{cells}.sort((a, b) => a.getBoundingClientRect().y - b.getBoundingClientRect().y).map((a) => a.innerText)"
        )

    def complaints(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["method"] in COMPLAINTS]

    def requests(self) -> set[str]:
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return {event["params"]["request"]["url"] for event in sent}

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            message = self._run(self._socket.receive_json(timeout=SECONDS))
            if "method" in message:
                self.events.append(message)
            if wanted(message):
                return message


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that a headless Chromium listens at."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("there is no Chromium or Chrome to draw the page with")
    user = tmp_path_factory.mktemp("browser")
    port = user / "DevToolsActivePort"
    process = subprocess.Popen([program, *FLAGS, f"--user-data-dir={user}"], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + SECONDS
        while not (port.exists() and "\n" in port.read_text()):
            assert process.poll() is None and time.monotonic() < end, "the browser does not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port.read_text().split()[0]}"
    finally:
        process.terminate()
        process.wait(SECONDS)


@pytest.fixture
def tab(browser: str, tmp_path: Path) -> Iterator[Tab]:
    with asyncio.Runner() as runner:
        session = runner.run(_session())
        made = runner.run(runner.run(session.put(f"{browser}/json/new?about:blank")).json())
        socket = runner.run(session.ws_connect(made["webSocketDebuggerUrl"], max_msg_size=0))
        yield Tab(runner.run, socket, tmp_path / "page.html")
        runner.run(session.get(f"{browser}/json/close/{made['id']}"))
        runner.run(socket.close())
        runner.run(session.close())


async def _session() -> Any:
    return aiohttp.ClientSession()


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of the hostile run, with more sites than a reader sees at once and a second category."""
    found = summarise(open_run(str(write_run(tmp_path_factory.mktemp("report") / "run"))))
    more = [{"site": f"site-{n}.test", "documents": n % 7, "tokens": 37 * n % 101} for n in range(2, 40)]
    shares = {"share_before": 0.8, "target_share": 0.2, "share_after": 0.2}
    swapped = {"share_before": 0.2, "target_share": 0.8, "share_after": 0.8}
    one = found["categories"][0]
    two = one | swapped | {"category": "poetry", "group": "fiction_creative", "kind": "fiction"}
    return found | {"sites": found["sites"] + more, "categories": [one | shares, two]}


def test_page_draws_alone_and_without_complaint(tab: Tab, summary: dict[str, Any]) -> None:
    """Would catch an error in the page's script, a policy that blocks it, and anything loaded from elsewhere."""
    tab.draw(summary, "#samples-astronomy")
    titles = ["Funnel", "Rule effects", "Mix", "Categories", "Languages", "Documents", "Top sites", "Samples"]
    assert tab.value("[...document.querySelectorAll('h2')].map((title) => title.textContent)") == titles
    assert tab.value("[...document.querySelectorAll('nav a')].map((link) => link.textContent)") == titles
    assert tab.value("[...document.querySelectorAll('nav a')].every((link) => document.querySelector(link.hash))")
    text = tab.value("document.body.innerText")
    for shown in ("760", "1,900", "2.50 ×", "80.0 %", "18.8 %", "gopher.few_stop_words", "site-0.example"):
        assert shown in text
    assert tab.value("document.querySelectorAll('article').length") == 3
    assert tab.complaints() == []
    assert [url.rpartition("/")[2] for url in tab.requests()] == ["page.html"]


def test_what_was_taken_out_is_struck_through(tab: Tab, summary: dict[str, Any]) -> None:
    """Would catch clutter shown as text of the document, and kept lines shown as clutter."""
    tab.draw(summary, "#samples-astronomy")
    struck, plain = tab.value("""(() => {
        const lines = [...document.querySelectorAll("article:first-of-type div:not(.about)")];
        const isStruck = (line) => line.firstElementChild !== null
            && getComputedStyle(line.firstElementChild).textDecorationLine === "line-through";
        const texts = (wanted) => lines.filter((line) => isStruck(line) === wanted).map((line) => line.textContent);
        return [texts(true), texts(false)];
    })()""")
    assert struck[0] == "Home Articles Contact  repeated line" and struck[2] == f"{EVIL}  clutter 0.07"
    assert f"The tide {EVIL} turned at noon." in plain and len(struck) == 3
    first, last = tab.value("""["c", "7"].map((letter) => {
        const why = [...document.querySelectorAll("article:first-of-type .why")].at(-1).firstChild, range = new Range();
        range.setStart(why, why.data.indexOf(letter));
        range.setEnd(why, why.data.indexOf(letter) + 1);
        return range.getBoundingClientRect().x;
    })""")
    assert first < last, "a character that turns the direction of text reaches beyond the clutter"


def test_hostile_text_runs_nothing(tab: Tab, summary: dict[str, Any]) -> None:
    """Would catch page text that becomes an element or script, and a policy under which such an element could act."""
    tab.send("Page.addScriptToEvaluateOnNewDocument", source="window.alert = (text) => console.error('alert', text);")
    tab.draw(summary | {"name": EVIL, "inputs": [EVIL]})
    tab.click("document.querySelector('#samples button')")
    tab.value("""new Promise((drawn) => {
        const look = () => (document.querySelector("article") ? drawn() : setTimeout(look, 10));
        look();
    })""")
    assert EVIL in tab.value("document.querySelector('article').textContent")
    assert tab.value("document.querySelectorAll('img, iframe, object, embed, link, base, form').length") == 0
    assert tab.value("document.scripts.length") == 2
    assert tab.complaints() == [] and len(tab.requests()) == 1
    tab.value("document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=alert(4)>')")
    tab.value("document.body.append(Object.assign(document.createElement('script'), { text: 'alert(5)' }))")
    tab.value("fetch('http://127.0.0.1:9/').catch(() => 0)")
    said = [event["params"]["entry"]["text"] for event in tab.complaints()]
    assert len(said) >= 3 and all("Content Security Policy" in text for text in said)


def test_filter_and_sort(tab: Tab, summary: dict[str, Any]) -> None:
    """Would catch a table that sorts numbers as text, sorts what is filtered out back in, or forgets its filter."""
    tab.draw(summary)
    sites = {row["site"]: row["tokens"] for row in summary["sites"]}
    assert tab.column("top-sites", 1) == sorted(sites, key=lambda site: -sites[site])
    tab.click("document.querySelector('#top-sites input')")
    tab.send("Input.insertText", text="TEST site-1")
    some = [site for site in sites if ".test" in site and "site-1" in site]
    assert tab.column("top-sites", 1) == sorted(some, key=lambda site: -sites[site])
    assert tab.value("document.querySelector('#top-sites .count').innerText") == f"{len(some)} of {len(sites)}"
    tab.click("document.querySelectorAll('#top-sites th button')[2]")
    assert tab.column("top-sites", 1) == sorted(some, key=lambda site: sites[site])
    tab.click("document.querySelectorAll('#top-sites th button')[0]")
    assert tab.column("top-sites", 1) == sorted(some)
    assert tab.value("[...document.querySelectorAll('#top-sites th')].map((head) => head.ariaSort)") == [
        "ascending", None, None, None
    ]  # fmt: skip
    assert tab.complaints() == []


def test_keyboard_alone(tab: Tab, summary: dict[str, Any]) -> None:
    """Would catch a heading, a switch or a sample that only a mouse reaches, and a map of hundreds of tab stops."""
    tab.draw(summary)
    tab.value("document.querySelector('#top-sites input').focus()")
    tab.press("Tab", 9)  # the frame of the table, which scrolls
    tab.press("Tab", 9)
    tab.press("Enter", 13, "\r")
    names = [row["site"] for row in summary["sites"]]
    assert tab.column("top-sites", 1) == sorted(names)
    tab.value("document.querySelector('.switch button').focus()")
    tab.press("Enter", 13, "\r")
    assert tab.value("document.querySelector('.switch [aria-pressed=true]').innerText") == "before"
    tab.press("Tab", 9)
    tab.press("Tab", 9)
    assert tab.value("document.activeElement.getAttribute('aria-label')") == "Filter categories"
    tab.value("document.querySelector('summary').focus()")
    tab.press("Enter", 13, "\r")
    assert tab.value("document.querySelector('details').open")


def test_treemap_before_and_after(tab: Tab, summary: dict[str, Any]) -> None:
    """Would catch boxes whose areas are not the shares that the switch names."""
    tab.draw(summary)
    ratio = """(() => {
        const leaf = (name) => document.querySelector(`.map [href="#samples-${name}"]`).getBoundingClientRect();
        const [poetry, astronomy] = [leaf("poetry"), leaf("astronomy")];
        return (poetry.width * poetry.height) / (astronomy.width * astronomy.height);
    })()"""
    assert 3.3 < tab.value(ratio) < 4.7
    tab.click("document.querySelector('.switch button')")
    assert 3.3 < 1 / tab.value(ratio) < 4.7


def test_paper_is_light_and_shows_both_maps(tab: Tab, summary: dict[str, Any]) -> None:
    """Would catch dark pages on paper, a treemap left out or empty, and a screen that stays in its paper form."""
    maps = "[...document.querySelectorAll('.map')].filter((map) => map.querySelector('a')?.clientWidth > 20).length"
    colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    tab.draw(summary)
    light = tab.value(colours)
    tab.media("screen", "dark")
    assert not {*tab.value(colours)} & {*light} and tab.value(maps) == 1
    tab.media("print", "dark")
    tab.value("dispatchEvent(new Event('beforeprint'))")
    assert tab.value(colours) == [light[0], "rgb(255, 255, 255)"] and tab.value(maps) == 2
    assert tab.value("[...document.querySelectorAll('nav, input')].every((node) => node.clientWidth === 0)")
    tab.media("screen")
    tab.value("dispatchEvent(new Event('afterprint'))")
    assert tab.value(colours) == light and tab.value(maps) == 1
    assert tab.send("Page.printToPDF")["data"].startswith("JVBERi0")  # %PDF-
    assert tab.complaints() == []


def test_narrow_screen_needs_no_sideways_scrolling(tab: Tab, summary: dict[str, Any]) -> None:
    """Would catch a long URL or a wide table that makes the whole page wider than a phone."""
    tab.send("Emulation.setDeviceMetricsOverride", width=360, height=700, deviceScaleFactor=1, mobile=True)
    tab.draw(summary | {"inputs": ["s3://" + "long" * 60]}, "#samples-astronomy")
    assert tab.value("document.documentElement.scrollWidth") <= 360
