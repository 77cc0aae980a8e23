"""Take the screenshots of a report's page that the README and the docs show.

Two images of a page (report.html) that a run left:

    python scripts/take_screenshots.py report.html docs/images

``report-light.png``
    The verdict and the worst finding of which there is a difference to show, on a light page.
``report-models-dark.png``
    The verdict and the tests × models, on a dark page; only of a run with several models.

It needs playwright and a Chromium: that of ``CHROMIUM``, the system's, or playwright's own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Images for a README: no wider, and no larger.
WIDTH, MOST_BYTES = 920, 130_000


def take(report: Path, folder: Path) -> list[Path]:
    """Take the screenshots of a page, and return their files.

    Args:
        report: the page.
        folder: where to put them.
    """
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        made = [*_first_finding(browser, report, folder), *_models(browser, report, folder)]
        browser.close()
    return made


def _first_finding(browser: Browser, report: Path, folder: Path) -> list[Path]:
    page = _opened(browser, report, dark=False)
    finding = next(filter(_has_difference, page.locator(".finding").all()), None)
    if finding is None:
        return []
    finding.evaluate("(it) => { it.open = true; it.dataset.shown = 'yes'; }")
    _hide(page, "main > section:not(:has(.finding)), .finding:not([data-shown])")
    _hide(page, "#filters, #findings, .reasons li:nth-child(n + 4), .finding figcaption bdi")
    _hide(page, ".finding .body > :not(.plots, .reasons, .quiet), .plot:nth-child(n + 3)")
    page.locator("main").evaluate("(main) => (main.style.marginTop = '1rem')")
    return [_shot(page, folder / "report-light.png")]


def _has_difference(finding: Locator) -> bool:
    data = finding.locator("script").text_content()
    maps = [trace["type"] for trace in json.loads(data or "{}")["figures"][0]["data"]]
    return maps.count("heatmap") > 2  # noqa: PLR2004 — baseline, candidate and difference


def _models(browser: Browser, report: Path, folder: Path) -> list[Path]:
    page = _opened(browser, report, dark=True)
    if not page.locator(".matrix").count():
        return []
    _hide(page, "main > section:not(:has(.matrix))")
    return [_shot(page, folder / "report-models-dark.png")]


def _opened(browser: Browser, report: Path, *, dark: bool) -> Page:
    scheme: Any = "dark" if dark else "light"
    context = browser.new_context(
        offline=True, color_scheme=scheme, viewport={"width": WIDTH, "height": 1400}
    )
    page = context.new_page()
    page.goto(report.resolve().as_uri())
    return page


def _hide(page: Page, selector: str) -> None:
    """Leave out what an image has no room for."""
    hide = "(all) => all.forEach((each) => (each.hidden = true))"
    page.locator(selector).evaluate_all(hide)


def _shot(page: Page, file: Path) -> Path:
    """An image of what is left of the page, its plots drawn."""
    for plot in page.locator(".plot:visible").all():
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for()
    _hide(page, "footer, #theme")
    # Plots are drawn once more where the page got another width.
    page.wait_for_timeout(500)
    bottom = "(main) => main.getBoundingClientRect().bottom + scrollY"
    height = page.locator("main").evaluate(bottom)
    whole: Any = {"x": 0, "y": 0, "width": WIDTH, "height": height + 16}
    page.screenshot(path=file, full_page=True, clip=whole)
    return file


def main() -> None:
    """Take them."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path, help="a page that a run left (report.html)")
    parser.add_argument("folder", type=Path, help="where to put the images")
    arguments = parser.parse_args()
    if not arguments.report.is_file():
        sys.exit(
            f"{arguments.report} is no file: `pytest --circuits --circuits-report=DIR` makes one"
        )
    for file in take(arguments.report, arguments.folder):
        size = file.stat().st_size
        print(f"{file}  {size / 1000:.0f} kB")
        if size > MOST_BYTES:
            sys.exit(f"{file} is larger than {MOST_BYTES / 1000:.0f} kB")


if __name__ == "__main__":
    main()
