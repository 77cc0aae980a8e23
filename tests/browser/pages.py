"""Pages as a browser shows them: headless Chromium, offline, with everything it asks for logged."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

#: What Chromium is called where a system has it.
_NAMES = ("chromium", "chromium-browser", "google-chrome")


class NoBrowserError(Exception):
    """There is no browser to open pages with; the message says how to get one."""


@dataclass
class Seen:
    """A page that is open, and what it asked for and said.

    Attributes:
        page: playwright's page.
        requests: addresses that were asked for.
        errors: console errors and warnings, exceptions, and dialogs.
    """

    page: object
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open_finding(self, number=1):
        """Open a finding and wait until all of its plots are drawn."""
        self.page.evaluate(
            """id => {
                const finding = document.getElementById(id);
                finding.open = true;
                finding.scrollIntoView();
            }""",
            f"finding-{number}",
        )
        plots = self.page.locator(f"#finding-{number} .plot")
        for place in range(plots.count()):
            plots.nth(place).scroll_into_view_if_needed()
            plots.nth(place).locator(".main-svg").first.wait_for()
        return self.page.locator(f"#finding-{number}")

    def shown(self):
        """The names of the findings that the filters let through."""
        return self.page.locator(".finding:visible").evaluate_all(
            "all => all.map(each => each.querySelector('h3').textContent)"
        )


@contextmanager
def chromium():
    """A headless Chromium: that of ``CHROMIUM``, the system's, or playwright's own."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise NoBrowserError(
            "the tests of pages need playwright: pip install pytest-circuits[browser]"
        ) from error
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path)
        except Error as error:
            raise NoBrowserError(
                f"no Chromium to open pages with ({path or 'playwright has none of its own'}): "
                f"set CHROMIUM to its path, install one, or run `playwright install chromium`"
            ) from error
        yield browser
        browser.close()


@contextmanager
def opened(browser, file, *, dark=False, width=1200, height=900, anchor="", touch=False):
    """A page that lies in a file."""
    context = browser.new_context(
        offline=True,
        color_scheme="dark" if dark else "light",
        viewport={"width": width, "height": height},
        has_touch=touch,
    )
    page = context.new_page()
    seen = Seen(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("pageerror", lambda error: seen.errors.append(f"exception: {error}"))
    page.on("dialog", lambda dialog: seen.errors.append(f"dialog: {dialog.message}"))
    page.on(
        "console",
        lambda said: (
            seen.errors.append(f"{said.type}: {said.text}")
            if said.type in ("error", "warning")
            else None
        ),
    )
    page.goto(f"{file.as_uri()}{anchor}")
    yield seen
    context.close()
