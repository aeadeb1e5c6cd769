"""Use the console in a real browser as an agent does; says what it saw as a line of JSON. Not a test: tests run it.

Usage: console_script.py URL TOKEN CHROMIUM FOLDER. It expects one open case, takes it, answers it and closes it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from playwright.sync_api import Dialog, sync_playwright

url, token, chromium, folder = sys.argv[1:]
seen: dict[str, object] = {}
faults: list[str] = []


def refuse(dialog: Dialog) -> None:
    """A text has become a script: the one thing that must not be."""
    faults.append(f"dialog: {dialog.message}")
    dialog.dismiss()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1280, "height": 850})
    page.set_default_timeout(15000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", refuse)
    page.goto(url)
    page.wait_for_selector("dialog[open]")
    page.fill("#token", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#login-problem:not(:empty)")
    page.fill("#token", token)
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-link]")
    seen["links"] = page.inner_text("[data-link] h2")
    page.goto(f"{url}#inbox")
    page.wait_for_selector(".cases a")
    page.keyboard.press("j")
    page.wait_for_selector("#reply")
    seen["texts"] = page.locator(".bubble.in bdi").all_inner_texts()
    seen["scripts"] = page.locator("main script").count()
    page.keyboard.press("t")
    page.wait_for_selector("#case span:has-text('ann has it')")
    page.keyboard.press("r")
    page.keyboard.type("We have found your parcel.")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".bubble.out bdi:text('We have found your parcel.')")
    page.wait_for_selector(".bubble.out small:has-text('delivered')")
    page.wait_for_selector(".bubble.in bdi:text('still there?')")
    page.screenshot(path=str(Path(folder) / "inbox.png"))
    page.click("button:text('Close, resolved')")
    page.wait_for_selector(".cases", state="detached")
    # The rating is asked for and comes back; then the report has it.
    page.goto(f"{url}#reports")
    page.wait_for_selector("#report svg")
    for _ in range(100):
        page.wait_for_timeout(200)
        page.reload()
        page.wait_for_selector("#report svg")
        if "5.00 of 5" in page.inner_text("#report"):
            break
    seen["satisfaction"] = page.locator("#report dl").first.inner_text()
    page.screenshot(path=str(Path(folder) / "reports.png"), full_page=True)
    page.goto(f"{url}#rules")
    page.fill("#try", "agent")
    page.keyboard.press("Enter")
    page.wait_for_selector("main h3")
    seen["why"] = page.inner_text("main [role=status]")
    page.goto(f"{url}#messages/words=parcel&state=")
    page.wait_for_selector("main td.n")
    narrow = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
    widths = {}
    for name in ("links", "inbox", "messages", "reports", "rules"):
        narrow.goto(url)
        narrow.evaluate("token => sessionStorage.setItem('token', token)", token)
        narrow.goto(f"{url}#{name}")
        narrow.reload()
        narrow.wait_for_selector("main h1")
        narrow.wait_for_timeout(300)
        widths[name] = narrow.evaluate("document.documentElement.scrollWidth")
        narrow.screenshot(path=str(Path(folder) / f"narrow-{name}.png"), full_page=True)
    seen["widths"] = widths
    browser.close()
seen["faults"] = faults
sys.stdout.write(json.dumps(seen))
