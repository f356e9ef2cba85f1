"""The screenshots in docs/pictures/, of the demo cluster: ``make pictures``, or by name ``make pictures ONLY="pods why"``.

A page is a line in `demo/shots.py`. Each is taken in both themes, at 1440 and 390 px. One that cannot be taken does not stop
the others; the run fails at its end and names it. ``--at ADDRESS PASSWORD_FILE`` takes them of a demo that runs already
(``python -m tests.browser.demo.cluster`` prints both).
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.browser import chromium
from tests.browser.demo.cluster import NODES, cluster
from tests.browser.demo.seed import NAMESPACE, Demo
from tests.browser.demo.shots import PAGES, Shot
from tests.browser.demo.walk import settle, sign_in, visit
from tests.cluster.instance import ROOT

PICTURES = ROOT / "docs" / "pictures"
WIDTHS = {1440: 900, 390: 844}
THEMES = ("light", "dark")
COLOURS = 64
"""Of a picture: screens have few, and it is a fraction of the size."""
SUFFIX = ".webp"
"""Without loss, and two thirds of the same as PNG."""
README = {"dashboard.png": "overview-light-1440", "pod.png": "logs-light-1440"}
"""Those that the README shows, under names of their own, in the format that every viewer knows."""
SETTLED_MS = 180_000
"""Before the first picture of a fresh demo: charts and sparklines have something to draw."""


class Camera:
    def __init__(self, browser: Browser, address: str, password: str, target: Path) -> None:
        self.target = target
        self.password = password
        self.inside = browser.new_page(base_url=address)
        self.outside = browser.new_page(base_url=address)
        for page in (self.inside, self.outside):
            page.set_default_timeout(20_000)
        sign_in(self.inside, password)

    def take(self, shot: Shot) -> None:
        page = self.inside if shot.signed_in else self.outside
        is_first = True
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            if is_first or shot.anew:
                page.emulate_media(color_scheme="light")
                visit(page, shot, namespace=NAMESPACE, node=NODES[0])
                is_first = False
            for theme in THEMES:
                page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
                settle(page)
                self._save(page, f"{shot.name}-{theme}-{width}")

    def _save(self, page: Page, name: str) -> None:
        picture = page.screenshot(animations="disabled")
        image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE)
        image.convert("RGB").save(self.target / f"{name}{SUFFIX}", lossless=True, method=6)


def take_all(camera: Camera, shots: Sequence[Shot]) -> list[str]:
    """What could not be taken, with the reason."""
    missing = []
    for shot in shots:
        try:
            camera.take(shot)
            print(f"  {shot.name}", flush=True)
        except (Error, AssertionError) as error:  # the others are still taken
            reason = str(error).strip().splitlines()
            missing.append(f"{shot.name}: {reason[0] if reason else type(error).__name__}")
            print(f"  {missing[-1]}", file=sys.stderr, flush=True)
    return missing


@contextmanager
def demo(at: Sequence[str] | None) -> Iterator[tuple[str, str, bool]]:
    """Address, password, whether it is fresh."""
    if at:
        yield at[0], Path(at[1]).read_text().strip(), False
        return
    with cluster() as lab:
        Demo(lab).seed()
        yield f"http://127.0.0.1:{lab.http_port}", lab.password, True


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    parser.add_argument("--at", nargs=2, metavar=("ADDRESS", "PASSWORD_FILE"), help="a demo that runs already")
    parser.add_argument("--into", type=Path, default=PICTURES, metavar="DIRECTORY")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - {shot.name for shot in PAGES}
    if unknown:
        parser.error(f"no such picture: {', '.join(sorted(unknown))}")
    shots = [shot for shot in PAGES if not options.names or shot.name in options.names]
    options.into.mkdir(parents=True, exist_ok=True)
    with demo(options.at) as (address, password, is_fresh), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.CHROMIUM, args=chromium.ARGUMENTS)
        camera = Camera(browser, address, password, options.into)
        if is_fresh:
            camera.inside.wait_for_timeout(SETTLED_MS)
        missing = take_all(camera, shots)
        browser.close()
    if options.into == PICTURES:
        _copy_for_readme()
    if missing:
        print("not taken:", *missing, sep="\n  ", file=sys.stderr)
    return 1 if missing else 0


def _copy_for_readme() -> None:
    for name, source in README.items():
        picture = PICTURES / f"{source}{SUFFIX}"
        if picture.exists():
            image = Image.open(picture).convert("RGB")
            image.quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE).save(ROOT / "docs" / name, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
