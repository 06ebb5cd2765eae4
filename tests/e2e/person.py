"""How somebody works on a page: with a mouse, with the keyboard alone, by touch, or without JavaScript.

A story is written with what they have in common, and holds for each of them.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from playwright.sync_api import BrowserContext, Locator, Page, expect

SMALLEST_TARGET = 24  # pixels, WCAG 2.5.8
FAR = 150  # presses of Tab: nobody goes that far

# Counts what hands do, over all pages of a tab. A list to choose from is drawn by the browser itself, beyond the page:
# it counts as two clicks, one to open it and one to choose.
COUNTER = """
const count = (what, number) => { sessionStorage[what] = Number(sessionStorage[what] || 0) + number; };
document.addEventListener("pointerdown", () => count("clicks", 1), true);
document.addEventListener("keydown", () => count("keys", 1), true);
document.addEventListener("change", ({ target }) => target.matches("select") && count("clicks", 2), true);
"""

# What is wrong with how the focus shows, in words; nothing when it is outside of the page or shows as it should.
FOCUS = """() => {
  const focused = document.activeElement;
  if (focused === document.body || focused.matches("iframe")) return "";
  if (focused.matches("[type^=date]:not(:focus-visible)")) return "";  // within it, the browser marks a part
  const { top, left, width, height } = focused.getClientRects()[0] || focused.getBoundingClientRect();
  const style = getComputedStyle(focused);
  const places = [[.5, .5], [.1, .1], [.9, .1], [.1, .9], [.9, .9]];
  const isSeen = places.some(([x, y]) => {
    const there = document.elementFromPoint(left + width * x, top + height * y);
    return there && (focused.contains(there) || [...focused.labels || []].some((label) => label.contains(there)));
  });
  const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 || style.boxShadow !== "none";
  const problem = !isSeen ? "is out of sight" : !isMarked ? "is not marked" : "";
  return problem && `the focus ${problem}: ${focused.outerHTML.slice(0, 200)}`;
}"""

# How to get from the focus to an element: a key, or nothing when it has it.
WAY = """(target) => {
  const focused = document.activeElement;
  if (focused === target) return "";
  const isBefore = focused.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_PRECEDING;
  return focused !== document.body && isBefore ? "Shift+Tab" : "Tab";
}"""


class Person:
    """With a mouse, and the other hand on the keyboard to type."""

    window: ClassVar[dict[str, Any]] = {"viewport": {"width": 1280, "height": 800}}

    def __init__(self, context: BrowserContext) -> None:
        if self.window.get("java_script_enabled", True):
            context.clock.install()
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)

    def _listen(self, message: Any) -> None:
        if "Security" in message.text:
            self.complaints.append(message.text)

    # --- Where it differs ---------------------------------------------------------------------------------------------

    def use(self, target: Locator) -> None:
        """Press a button, follow a link, tick a box."""
        target.click()

    def enter(self, field: Locator) -> None:
        """Come to where one can type."""
        self.page.wait_for_load_state()  # a page may begin in a field
        if not self._has_focus(field):
            self.page.keyboard.press("Tab")  # from one field to the next is a key, as everybody does
        if not self._has_focus(field):
            field.click(position={"x": 12, "y": 12})

    def type(self, text: str) -> None:
        self.page.keyboard.insert_text(text)  # without keys, which are counted

    def pick(self, field: Locator, option: str) -> None:
        field.select_option(label=option)

    def look_again(self) -> None:
        """See what others did: by itself, a moment later."""
        with self.page.expect_response("**/live/"):
            self.page.clock.fast_forward(11_000)

    # --- What they have in common -------------------------------------------------------------------------------------

    def open(self, address: str) -> None:
        self.page.goto(address)

    def follow(self, name: str) -> None:
        self.use(self._seen(self.page.get_by_role("link", name=name, exact=True)))

    def press(self, name: str) -> None:
        self.use(self._seen(self.page.get_by_role("button", name=name, exact=True)))

    def unfold(self, summary: str) -> None:
        self.use(self._seen(self.page.locator("summary", has_text=summary)))

    def write(self, label: str, text: str) -> None:
        """Into a field, instead of what is in it."""
        field = self.field(label)
        self.enter(field)
        if field.input_value():
            self.page.keyboard.press("ControlOrMeta+A")
        self.type(text)
        expect(field).to_have_value(text)

    def write_time(self, label: str, moment: datetime) -> None:
        """Into the parts of a date and a time that Chromium draws, in its American order."""
        field = self.field(label)
        self.enter(field)
        self.page.keyboard.type(f"{moment:%m%d%Y}")
        self.page.keyboard.press("ArrowRight")  # a year may have more digits
        self.page.keyboard.type(f"{moment:%I%M%p}")
        expect(field).to_have_value(f"{moment:%Y-%m-%dT%H:%M}")

    def choose(self, label: str, option: str) -> None:
        field = self.field(label)
        self.pick(field, option)
        expect(field.locator("option:checked")).to_have_text(option)

    def sees(self, *words: str) -> None:
        for each in words:
            expect(self._seen(self.page.get_by_text(each))).to_be_visible()

    def field(self, label: str) -> Locator:
        return self._seen(self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}\b")))

    def _seen(self, found: Locator) -> Locator:
        return found.filter(visible=True).first

    def _has_focus(self, field: Locator) -> bool:
        return bool(field.evaluate("(field) => field === document.activeElement"))


class Mouse(Person):
    def __init__(self, context: BrowserContext) -> None:
        context.add_init_script(COUNTER)
        super().__init__(context)

    def counted(self) -> tuple[int, int]:
        """Clicks, and keys beyond the text itself, since the tab was opened."""
        clicks, keys = self.page.evaluate("['clicks', 'keys'].map((what) => Number(sessionStorage[what] || 0))")
        return clicks, keys


class Keyboard(Person):
    """Nothing is clicked, and nothing gets the focus but by keys; where it is can always be seen."""

    def use(self, target: Locator) -> None:
        self.enter(target)
        self.page.keyboard.press("Space" if target.get_attribute("type") == "checkbox" else "Enter")

    def enter(self, field: Locator) -> None:
        expect(field).to_be_visible()
        handle = field.element_handle()
        for _press in range(FAR):
            way = handle.evaluate(WAY)
            if not way:
                return
            self.page.keyboard.press(way)
            problem = self.page.evaluate(FOCUS)
            assert not problem, f"{self.page.url}: {problem}"
        raise AssertionError(f"{self.page.url}: the keyboard does not reach {field}")

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def pick(self, field: Locator, option: str) -> None:
        self.enter(field)
        options = field.locator("option").all_inner_texts()
        steps = options.index(option) - field.evaluate("(field) => field.selectedIndex")
        for _press in range(abs(steps)):
            self.page.keyboard.press("ArrowDown" if steps > 0 else "ArrowUp")


class Touch(Person):
    """On a small phone: everything fits its width, and what is touched is as large as a fingertip needs."""

    window: ClassVar[dict[str, Any]] = {
        "viewport": {"width": 375, "height": 667},
        "has_touch": True,
        "is_mobile": True,
    }

    def use(self, target: Locator) -> None:
        self._fits(target)
        target.tap()

    def enter(self, field: Locator) -> None:
        self._fits(field)
        field.tap(position={"x": 12, "y": 12})

    def pick(self, field: Locator, option: str) -> None:
        self._fits(field)
        super().pick(field, option)

    def _fits(self, target: Locator) -> None:
        self.page.wait_for_load_state()  # with its style
        expect(target).to_be_visible()
        box = target.bounding_box()
        assert box, "it is seen"
        assert min(box["width"], box["height"]) >= SMALLEST_TARGET, f"{self.page.url}: {target} is small: {box}"
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 375, f"{self.page.url}: the page is {width} pixels wide"


class Plain(Person):
    """Without JavaScript: nothing comes by itself."""

    window: ClassVar[dict[str, Any]] = {**Person.window, "java_script_enabled": False}

    def look_again(self) -> None:
        self.page.reload()
