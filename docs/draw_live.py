"""Take the pictures of the page for docs/live.md: docs/pictures/live.jpg and live-label.jpg.

Usage:
    python3 docs/draw_live.py --model-dir=models/demo --source=data/fruit-drawn/test

Runs the demo on a folder of pictures and looks at it in headless Chromium, which has to be
installed (Debian: chromium and chromium-driver), like selenium. `make demo` makes model and data.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Sequence

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
SIZE = (1280, 800)
QUALITY = 88  # of the JPEGs
PATIENCE = 60  # seconds for anything to happen
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model-dir", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--source", type=Path, required=True, metavar="FOLDER")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Run the demo, look at it, end it; write both pictures, or none."""
    sys.path.insert(0, str(ROOT))
    from vision.utils.files import write_together

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-u", str(ROOT / "run_ssd_live_demo.py"), "--quiet"]
        command += [f"--model-dir={args.model_dir.resolve()}", f"--source={args.source.resolve()}"]
        command += ["--serve=0", "--label=data/my-fruit"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as demo:
            try:
                assert demo.stdout is not None
                link = next(line.split()[1] for line in demo.stdout if line.startswith("Open "))
                shots = look(link, Path(folder))
            finally:
                demo.terminate()
    with write_together() as place:
        for name, shot in shots.items():
            place(PICTURES / f"{name}.jpg").write_bytes(shot)


def look(link: str, folder: Path) -> dict[str, bytes]:
    """Return both pictures by name."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in [*FLAGS.split(), f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        metrics = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get(link)
        wait(lambda: "1" in driver.find_element("id", "classes").text, "something is found")
        for _ in range(3):  # some saved pictures make the page look as in use
            driver.find_element("id", "freeze").click()
            wait(lambda: driver.find_element("id", "save").is_displayed(), "a frozen picture")
            driver.find_element("id", "save").click()
            wait(lambda: driver.find_element("id", "next").is_displayed(), "the live picture")
            driver.find_element("id", "next").click()
            time.sleep(1)
        live = screenshot(driver)
        driver.find_element("id", "freeze").click()
        wait(lambda: driver.find_elements("css selector", "#boxes g"), "boxes")
        driver.execute_script("document.querySelector('#boxes g').focus()")
        time.sleep(1)
        return {"live": live, "live-label": screenshot(driver)}
    finally:
        driver.quit()


def screenshot(driver: Chrome) -> bytes:
    """Return what is seen as a JPEG."""
    from PIL import Image

    file = io.BytesIO()
    with Image.open(io.BytesIO(driver.get_screenshot_as_png())) as shot:
        shot.convert("RGB").save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def wait(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    for _ in range(PATIENCE * 10):
        if condition():
            return
        time.sleep(0.1)
    raise RuntimeError(f"waited in vain until {what} showed")


if __name__ == "__main__":
    main(parse_args())
