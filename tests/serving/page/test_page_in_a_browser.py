"""The page as a reader sees it: typed into and clicked on in Chromium, wide and narrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = Path("/usr/bin/chromium")

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [1200, 390], ids=["desktop", "phone"])
def test_a_reader_types_clicks_and_sees_answers_and_nothing_leaves_the_machine(
    page: Any, browser: Any, width: int
) -> None:
    asked: list[str] = []
    tab = browser.new_page(viewport={"width": width, "height": 850})
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    tab.goto(page.url)

    _classify(tab)
    _click_an_example(tab)
    _others(tab)

    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    hosts = {urlsplit(one).hostname for one in asked if not one.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}
    tab.close()


def _classify(tab: Any) -> None:
    panel = tab.get_by_role("tabpanel").filter(visible=True)
    panel.get_by_label("Text").fill("word1 <b>word2</b>")
    panel.get_by_role("button", name="Classify").click()
    panel.locator(".bn-row").first.wait_for()
    assert panel.locator(".bn-row").count() == 3
    panel.get_by_text("Which words count").click()
    panel.get_by_role("button", name="Leave out word after word").click()
    panel.locator(".bn-text").wait_for()
    assert "<b>word2</b>" in panel.locator(".bn-text").inner_text()


def _click_an_example(tab: Any) -> None:
    panel = tab.get_by_role("tabpanel").filter(visible=True)
    panel.get_by_text("tuned differs from base").click()
    panel.locator(".bn-rows button", has_text="word3 word4").wait_for(state="detached")
    panel.locator(".bn-rows button", has_text="onerror").click()
    panel.locator(".bn-side").wait_for()
    assert panel.locator(".bn-card").all_inner_texts() == [
        "should be\n<i>red</i>",
        "base model\nblue",
        "tuned model\nred",
    ]
    panel.get_by_role("button", name="What the run found").click()
    sync_api.expect(panel.locator(".bn-verdict")).to_contain_text("ship")


def _others(tab: Any) -> None:
    def opened(name: str) -> Any:
        more = tab.locator("button.overflow-menu, .overflow-menu > button").filter(visible=True)
        if not tab.get_by_role("tab", name=name, exact=True).filter(visible=True).count():
            more.first.click()
            tab.locator(".overflow-dropdown button", has_text=name).click()
        else:
            tab.get_by_role("tab", name=name, exact=True).filter(visible=True).click()
        return tab.get_by_role("tabpanel").filter(visible=True)

    panel = opened("words")
    panel.get_by_label("Text with").fill("word1 [MASK] [MASK]")
    panel.get_by_role("button", name="Fill").click()
    panel.locator(".bn-masks .bn-row").first.wait_for()
    assert panel.locator(".bn-masks .bn-row").count() == 10
    panel = opened("chat")
    panel.get_by_label("Message").fill("the cat")
    panel.get_by_role("button", name="Send").click()
    panel.locator(".bot").first.wait_for()
    panel = opened("short")
    panel.get_by_role("button", name="Write", exact=True).click()
    tab.get_by_text("write something first").first.wait_for()
    panel.get_by_label("Text").fill("the cat sat")
    panel.get_by_role("button", name="Write", exact=True).click()
    sync_api.expect(panel.get_by_label("Answer")).not_to_have_value("")
