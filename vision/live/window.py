"""The pictures in a window of the desktop, where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Callable

import cv2

from vision.live.pipeline import Pipeline

TITLE = "annotated"  # as the older scripts called it
END_KEYS = frozenset([ord("q"), ord("Q"), 27])
STEP_KEYS = {ord("n"): 1, ord("p"): -1}
PAUSE = ord(" ")
TRY = "import cv2; cv2.namedWindow('x'); cv2.waitKey(1)"


def can_show() -> bool:
    """Tell whether OpenCV can open a window here.

    It is tried in another process: a screen that does not answer ends the one that asks.
    """
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not has_screen:
        return False
    tried = subprocess.run([sys.executable, "-c", TRY], capture_output=True, check=False)
    return tried.returncode == 0


def show(pipeline: Pipeline, stopping: Callable[[], bool]) -> None:
    """Show results until q, Esc, the closing of the window, the end of the source, or `stopping`.

    Space stops time and lets it go on; n and p go to the next picture and back.
    """
    cv2.namedWindow(TITLE, cv2.WINDOW_AUTOSIZE)
    seen, shown = 0, False
    while not (stopping() or pipeline.failure):
        numbered = pipeline.results.wait(after=seen, timeout=0.03)
        if numbered is not None:
            seen = numbered.number
            cv2.imshow(TITLE, cv2.cvtColor(pipeline.draw(numbered.item), cv2.COLOR_RGB2BGR))
            shown = True
        elif pipeline.over:
            break
        key = cv2.waitKey(1) & 0xFF
        if key in END_KEYS or (shown and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1):
            break
        if key in STEP_KEYS:
            pipeline.player.step(STEP_KEYS[key])
        elif key == PAUSE:
            pipeline.settings.change({"paused": not pipeline.settings.now.paused})
    cv2.destroyAllWindows()
