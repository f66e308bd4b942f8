"""The preview's page in a real browser: Debian's Chromium, headless."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest
from conftest import MakeClip, dark_frames
from serving import Served, decoded

from exdnet_plugin.chain import option_parameters
from exdnet_plugin.processors.exdnet import ExdNetProcessor

CHROMIUM = Path("/usr/bin/chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; pip install playwright")
if not CHROMIUM.exists():
    pytest.skip(f"{CHROMIUM} is not here; apt-get install chromium", allow_module_level=True)

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]  # fmt: skip
SIZE = (320, 180)
MEAN = """([from, to]) => {
    const { width, height } = document.querySelector("canvas");
    const left = Math.round(width * from);
    const pixels = document.querySelector("canvas").getContext("2d").getImageData(
        left, 0, Math.round(width * to) - left, height).data;
    let sum = 0;
    for (let at = 0; at < pixels.length; at += 4) sum += pixels[at] + pixels[at + 1] + pixels[at + 2];
    return sum / (pixels.length / 4 * 3);
}"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, whose camera films a dark scene."""
    camera = tmp_path_factory.mktemp("camera") / "dark.y4m"
    with av.open(str(camera), "w", format="yuv4mpegpipe") as container:
        stream = container.add_stream("wrapped_avframe", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number, picture in enumerate(dark_frames(15, (360, 640))):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
    arguments = [*ARGUMENTS, f"--use-file-for-fake-video-capture={camera}"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    return make_clip("night street.mp4", frames=dark_frames(24, (SIZE[1], SIZE[0])) * 3, rate=24)


@pytest.fixture
def served(clip: Path) -> Iterator[Served]:
    with Served(clip) as running:
        yield running


class View:
    """A page, which may ask nothing of anyone but its own server, nor complain."""

    def __init__(self, browser: Any, url: str, size: tuple[int, int] = (1280, 800), *, waits: bool = True) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.url = url
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("request", self._asked)
        self.page.on("websocket", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)
        if waits:
            self.page.wait_for_selector("#empty", state="hidden")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith("blob:") and urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.foreign.append(request.url)

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something. The page's policy forbids the evaluation that Playwright's own waiting is made of."""
        for _ in range(200):
            if condition():
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"after 10 s: {what}")

    def shows(self, selector: str, text: str) -> None:
        """Wait until an element has a text."""
        self.until(lambda: self.page.text_content(selector) == text, f"{selector} does not show {text!r}")

    def mean(self, start: float, end: float) -> float:
        return float(self.page.evaluate(MEAN, [start, end]))

    def attribute(self, selector: str, name: str) -> str:
        return str(self.page.get_attribute(selector, name))

    def hold(self) -> None:
        """Let the picture stand, so that what is compared is of one moment."""
        self.page.keyboard.press("Space")
        self.page.wait_for_selector("#play.paused")
        self.page.wait_for_timeout(300)

    def __enter__(self) -> View:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.context.close()
        if kind is None:
            assert not self.foreign, "requests to others"
            assert not self.complaints


def test_the_right_side_is_as_bright_as_the_filter_makes_it(browser: Any, served: Served) -> None:
    with View(browser, served.url) as view:
        view.hold()
        shot = served.session.shot
        assert shot
        before, after = (decoded(image).astype(float) for image in shot.jpegs)
        half = SIZE[0] // 2
        assert view.mean(0, 0.5) == pytest.approx(before[:, :half].mean(), abs=1.5)
        assert view.mean(0.5, 1) == pytest.approx(after[:, half:].mean(), abs=1.5)
        assert view.mean(0.5, 1) > before[:, half:].mean() + 40


def test_the_slider_is_dragged_and_moved_by_keys(browser: Any, served: Served) -> None:
    with View(browser, served.url) as view:
        view.hold()
        dark = view.mean(0.3, 0.45)
        box = view.page.locator("#stage").bounding_box()
        view.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
        view.page.mouse.down()
        view.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60, steps=4)
        view.page.mouse.up()
        assert view.attribute("#split", "aria-valuenow") == "25"
        assert view.mean(0.3, 0.45) > dark + 40
        for key, expected in (("ArrowRight", 27), ("ArrowLeft", 25), ("PageUp", 35), ("End", 100), ("Home", 0)):
            view.page.keyboard.press(key)
            assert view.attribute("#split", "aria-valuenow") == str(expected), key
        assert view.attribute("#split", "aria-valuetext") == "0 % before, 100 % after"


def test_strength_0_changes_nothing(browser: Any, served: Served) -> None:
    with View(browser, served.url) as view:
        view.hold()
        view.page.focus("#strength")
        view.page.keyboard.press("Home")
        view.until(lambda: "strength=0" in view.page.inner_text("#command"), "the command does not follow")
        view.page.wait_for_timeout(300)
        view.page.focus("#split")
        view.page.keyboard.press("Home")
        after = view.mean(0, 1)
        view.page.keyboard.press("End")
        assert view.mean(0, 1) == pytest.approx(after, abs=0.5)
        assert view.page.input_value("#chain") == "exdnet=strength=0"


def test_sliders_rewrite_their_options_in_the_chain(browser: Any, served: Served) -> None:
    parameters = option_parameters(ExdNetProcessor)
    with View(browser, served.url) as view:
        for name in ("strength", "smoothing"):
            assert float(view.page.eval_on_selector(f"#{name}", "it => it.defaultValue")) == parameters[name].default
        odd = r"kornia=op='a,b:c'\,x, exdnet=engine=torch:strength=0.5,exdnet=strength=0.1"
        view.page.fill("#chain", odd)
        view.page.locator("#strength").fill("0.8")
        written = view.page.input_value("#chain")
        assert written == odd.replace(" exdnet", "exdnet").replace("strength=0.5", "strength=0.8")
        view.page.locator("#smoothing").fill("1.2")
        assert "exdnet=engine=torch:strength=0.8:smoothing=1.2,exdnet=strength=0.1" in view.page.input_value("#chain")
        view.page.locator("#strength").fill("1")
        assert "exdnet=engine=torch:smoothing=1.2," in view.page.input_value("#chain")
        for spaced, found, moved in (
            ("exdnet=strength = 0.3", "0.3", "exdnet=strength=0.8"),
            ("exdnet=strength='0.4'", "0.4", "exdnet=strength=0.8"),
            ("exdnet=", "1", "exdnet=strength=0.8"),
        ):
            view.page.fill("#chain", spaced)
            view.page.press("#chain", "Enter")
            playwright.expect(view.page.locator("#strength")).to_have_value(found)
            view.page.locator("#strength").fill("0.8")
            assert view.page.input_value("#chain") == moved
        view.page.fill("#chain", "null")
        view.page.press("#chain", "Enter")
        view.page.wait_for_selector("#strength:disabled")


def test_a_wrong_chain_is_told(browser: Any, served: Served) -> None:
    with View(browser, served.url) as view:
        view.page.fill("#chain", "exdnet=strenght=0.5")
        view.page.press("#chain", "Enter")
        view.page.wait_for_selector("#trouble:not([hidden])")
        assert "did you mean strength?" in view.page.inner_text("#trouble")
        assert view.attribute("#chain", "aria-invalid") == "true"
        assert view.mean(0.5, 1) > view.mean(0, 0.5) + 25, "the old chain goes on"
        with View(browser, served.url) as other:
            assert not other.page.locator("#trouble").is_visible(), "it wrote nothing wrong"
        view.page.fill("#chain", "exdnet=strength=0.5")
        view.page.press("#chain", "Enter")
        view.page.wait_for_selector("#trouble", state="hidden")
        assert float(view.page.input_value("#strength")) == 0.5


def test_the_command_is_copied(browser: Any, served: Served, clip: Path) -> None:
    with View(browser, served.url) as view:
        view.context.grant_permissions(["clipboard-read", "clipboard-write"])
        view.page.check("[value=exact]")
        view.page.locator("#strength").fill("0.6")
        expected = f"exdnet enhance '{clip}' bright.mp4 --chain exdnet=strength=0.6"
        view.shows("#command", expected)
        view.page.click("#copy")
        view.page.wait_for_selector("text=Copied")
        assert view.page.evaluate("navigator.clipboard.readText()") == expected


def test_a_file_is_scrubbed_and_held(browser: Any, served: Served) -> None:
    with View(browser, served.url) as view:
        view.hold()
        assert view.attribute("#play", "aria-label") == "Play"
        view.page.locator("#seek").fill("2")
        view.shows("#clock", "0:02.0 / 0:03.0")
        sought = pytest.approx(2, abs=0.05)
        view.until(lambda: served.session.shot and served.session.shot.time == sought, "another moment is shown")
        assert view.attribute("#seek", "aria-valuetext") == "0:02.0 of 0:03.0"
        view.page.click("#play")
        view.page.wait_for_selector("#play:not(.paused)")
        view.until(lambda: not view.page.inner_text("#clock").startswith("0:02.0"), "it does not go on")
        view.until(lambda: re.search(r"frames/s · \d+ ms", view.page.inner_text("#figures")), "no rate and latency")


@pytest.mark.parametrize(("button", "wide"), [("#save-after", 1), ("#save-both", 2)])
def test_snapshots_are_downloaded(browser: Any, served: Served, tmp_path: Path, button: str, wide: int) -> None:
    with View(browser, served.url) as view:
        with view.page.expect_download() as waiting:
            view.page.click(button)
        name = waiting.value.suggested_filename
        assert name.startswith("night_street_")
        assert name.endswith(("after.png", "before_after.png"))
        waiting.value.save_as(tmp_path / name)
        assert decoded((tmp_path / name).read_bytes()).shape == (SIZE[1], SIZE[0] * wide, 3)


@pytest.mark.parametrize("size", [(360, 740), (320, 568), (1280, 800)])
def test_everything_is_within_reach(browser: Any, served: Served, size: tuple[int, int]) -> None:
    with View(browser, served.url, size) as view:
        assert view.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        for control in view.page.locator("button, input, code, #split, #stage").all():
            box = control.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size[0] + 1
        if size == (1280, 800):
            assert view.page.evaluate("document.documentElement.scrollHeight") <= size[1], "on one screen"


def test_every_control_is_reached_by_tab_with_a_name_and_a_visible_focus(browser: Any, served: Served) -> None:
    looks = """() => {
        const it = document.activeElement, seen = it.type === "radio" ? it.nextElementSibling : it;
        const outline = (of, part) => parseFloat(getComputedStyle(of, part).outlineWidth) > 0
            && getComputedStyle(of, part).outlineStyle !== "none";
        const label = it.getAttribute("aria-labelledby") || it.labels?.[0]?.textContent;
        const named = it.ariaLabel || label || it.textContent;
        return [it.id || it.name, Boolean(named?.trim()), outline(seen, null) || outline(seen, "::after")];
    }"""
    with View(browser, served.url) as view:
        reached = []
        for _ in range(12):
            view.page.keyboard.press("Tab")
            name, named, visible = view.page.evaluate(looks)
            assert named, f"{name} has no name"
            assert visible, f"{name} does not show that it has the focus"
            reached.append(name)
        assert reached == ["split", "play", "seek", "strength", "smoothing", "quality", "chain", "command", "copy",
                           "save-after", "save-both", "camera"]  # fmt: skip
        view.page.focus("#split")
        view.hold()
        view.page.focus("#chain")
        view.page.keyboard.press("Space")
        assert view.page.locator("#play.paused").count() == 1, "space is a letter of the chain there"


def test_two_pages_show_one_session(browser: Any, served: Served) -> None:
    with View(browser, served.url) as one, View(browser, served.url) as other:
        one.page.locator("#strength").fill("0.4")
        other.until(lambda: other.page.input_value("#chain") == "exdnet=strength=0.4", "the other does not follow")
        other.hold()
        one.page.wait_for_selector("#play.paused")


def test_the_visitors_camera_comes_back_brighter(browser: Any) -> None:
    with Served("camera") as served, View(browser, served.url) as view:
        assert view.page.inner_text("#title") == "camera"
        view.until(lambda: view.page.eval_on_selector("#picture", "it => it.width") >= 160, "no picture")
        view.page.wait_for_timeout(500)
        assert view.mean(0, 0.5) < 60
        assert view.mean(0.5, 1) > view.mean(0, 0.5) + 40
        assert view.page.locator("#transport").is_visible()
        view.page.click("#camera")
        view.page.wait_for_selector("#empty:not([hidden])")
        assert served.session.player is None


def test_a_camera_takes_the_place_of_a_file_for_a_while(browser: Any, served: Served) -> None:
    with View(browser, served.url) as view:
        view.page.click("#camera")
        view.shows("#title", "camera")
        view.page.wait_for_selector("#empty", state="hidden")
        assert view.page.inner_text("#camera") == "Stop my camera"
        with View(browser, served.url) as other:
            assert other.page.inner_text("#title") == "camera"
            view.page.close()
            other.shows("#title", "night street.mp4")
            other.page.wait_for_selector("#empty", state="hidden")


def test_a_page_connects_again(browser: Any, clip: Path) -> None:
    with Served(clip) as served:
        view = View(browser, served.url)
    view.page.wait_for_selector("#trouble:not([hidden])")
    assert "has ended" in view.page.inner_text("#trouble")
    view.context.close()
