"""Video files, cameras and streams that OpenCV opens."""

from __future__ import annotations

import time

import cv2
import numpy as np

from vision.video.frames import Frame, SourceError

OPEN_SECONDS = 10  # for a stream to answer
READ_SECONDS = 5  # for the next frame of it
MOST_SKIPPED = 250  # damaged frames of a file in a row, behind which it goes on
# What a whole file may lack: containers round the number of their frames, or guess it.
FRAMES_LACKING = 3
SHARE_LACKING = 0.01
# Older OpenCV, as on a Jetson, has neither.
OPEN_TIMEOUT = getattr(cv2, "CAP_PROP_OPEN_TIMEOUT_MSEC", None)
READ_TIMEOUT = getattr(cv2, "CAP_PROP_READ_TIMEOUT_MSEC", None)


class OpenCVCapture:
    """Frames of a `cv2.VideoCapture`; of a file they come in order, with their times."""

    def __init__(self, capture: cv2.VideoCapture, name: str, live: bool) -> None:
        """Take over an open capture; `name` is what errors call it.

        Raises:
            SourceError: there is no first frame.
        """
        self.live = live
        self._capture, self._name = capture, name
        self._count, self._start = 0, time.monotonic()
        self._is_damaged, self._end = False, 0.0  # seconds in a file, where its last frame ends
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 1000 else 0.0
        frames = 0 if live else capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frames = int(frames) if 0 < frames < 1e9 else 0
        # Whether a source works shows only here, and only here the size of a turned video.
        self._first = self._take()
        if self._first is None:
            self.close()
            raise SourceError(f"{name} opens, but gives no picture; is another program using it?")

    def read(self) -> Frame | None:
        """Return the next frame; None at the end of a file."""
        frame, self._first = self._first or self._take(), None
        if frame is None and self.live:
            raise SourceError(f"{self._name} gives no picture any more")
        return frame or self._take_behind_damage()

    @property
    def fault(self) -> str:
        """Return what is wrong with a file that has been read to its end, "" if nothing is.

        Where only the number of frames is short, as in a file that was trimmed without coding it
        anew, or whose frames come at an uneven pace, nothing is: it goes on for as long as it says.
        """
        lacking = max(FRAMES_LACKING, self.frames * SHARE_LACKING)
        stated_end = (self.frames - lacking) / self.rate if self.rate else self._end
        if self.frames - self._count <= lacking:
            return ""
        if not self._is_damaged and self._end > stated_end:
            return ""
        return (
            f"{self._name} gave {self._count} of the {self.frames} frames it states; it is damaged "
            "or cut short, copy or download it again"
        )

    def interrupt(self) -> None:
        """Do nothing: a capture must not be touched while it reads; streams have READ_SECONDS."""

    def close(self) -> None:
        """Let go of the device or file."""
        self._capture.release()

    def _take_behind_damage(self) -> Frame | None:
        """Return the next frame that can be decoded; None at the end of a file."""
        for _ in range(min(self.frames - self._count, MOST_SKIPPED)):
            frame = self._take()
            if frame is not None:
                self._is_damaged = True
                return frame
        return None

    def _take(self) -> Frame | None:
        try:
            taken, image = self._capture.read()
        except cv2.error as error:
            raise SourceError(f"{self._name} cannot be read: {error.err}") from error
        if not taken or image is None or not image.size:
            return None
        captured = time.monotonic()
        if self.live:
            seconds = captured - self._start
        else:
            # Not every container has times: where it says none, frames are counted.
            counted = self._count / self.rate if self.rate else 0.0
            seconds = max(0.0, self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000) or counted
        self._end = seconds + (1 / self.rate if self.rate else 0.0)
        frame = Frame(to_rgb(image), self._count, seconds, captured=captured)
        self._count += 1
        return frame


def open_file(path: str) -> OpenCVCapture:
    """Open a video file.

    Raises:
        ValueError: it is no video that this OpenCV reads.
    """
    capture = cv2.VideoCapture(path)
    fault = f"{path} is damaged, cut short, or no video that this OpenCV {cv2.__version__} reads"
    if not capture.isOpened():
        raise ValueError(fault)
    try:
        return OpenCVCapture(capture, path, live=False)
    except SourceError:
        raise ValueError(fault) from None


def open_camera(number: int, name: str, size: tuple[int, int] | None, rate: float) -> OpenCVCapture:
    """Open a camera by its number.

    Args:
        name: what errors call it.
        size: (width, height) to ask for; cameras take the nearest that they have.
        rate: frames per second to ask for, 0 for the camera's own.

    Raises:
        SourceError: there is none, or it gives no picture.
    """
    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        raise SourceError(
            f"there is no camera {name}, or it may not be opened; `ls /dev/video*` lists cameras"
        )
    if size:
        # In this format USB cameras give large pictures at their full rate.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if rate:
        capture.set(cv2.CAP_PROP_FPS, rate)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest frame, where the driver allows it
    return OpenCVCapture(capture, name, live=True)


def open_csi(number: int, size: tuple[int, int] | None, rate: float) -> OpenCVCapture:
    """Open a camera on the ribbon cable of a Jetson, through GStreamer; see `open_camera`."""
    if not has_gstreamer():
        raise ValueError(
            f"csi://{number} needs an OpenCV with GStreamer, and this one, {cv2.__version__}, has "
            "none; on a Jetson use the OpenCV of JetPack, which `make setup` keeps, not pip's"
        )
    capture = cv2.VideoCapture(csi_pipeline(number, size or (1280, 720), rate), cv2.CAP_GSTREAMER)
    if not capture.isOpened():
        raise SourceError(
            f"there is no camera csi://{number}, or another program is using it; "
            "`sudo systemctl restart nvargus-daemon` frees it"
        )
    return OpenCVCapture(capture, f"csi://{number}", live=True)


def csi_pipeline(number: int, size: tuple[int, int], rate: float) -> str:
    """Return the GStreamer pipeline from a Jetson's camera to BGR pictures, the newest only."""
    width, height = size
    return (
        f"nvarguscamerasrc sensor-id={number} ! "
        f"video/x-raw(memory:NVMM), width={width}, height={height}, "
        f"framerate={round(rate or 30)}/1 ! "
        "nvvidconv ! video/x-raw, format=BGRx ! videoconvert ! video/x-raw, format=BGR ! "
        "appsink drop=true max-buffers=1 sync=false"
    )


def has_gstreamer() -> bool:
    """Tell whether this OpenCV was built with GStreamer and finds it."""
    backends = cv2.videoio_registry.getBackends()
    if cv2.CAP_GSTREAMER not in backends:
        return False
    # The registry also names a backend whose plug-in is not installed.
    lines = cv2.getBuildInformation().splitlines()
    stated = [line for line in lines if line.strip().startswith("GStreamer:")]
    return any("YES" in line for line in stated)


def open_stream(address: str, name: str) -> OpenCVCapture:
    """Open an address such as rtsp://, with a limit on every wait where OpenCV has one.

    Raises:
        SourceError: nothing answers, or no picture comes.
    """
    if OPEN_TIMEOUT is None or cv2.CAP_FFMPEG not in cv2.videoio_registry.getBackends():
        capture = cv2.VideoCapture(address)
    else:
        limits = [OPEN_TIMEOUT, OPEN_SECONDS * 1000, READ_TIMEOUT, READ_SECONDS * 1000]
        capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        raise SourceError(f"no picture comes from {name}; check the address, user and password")
    return OpenCVCapture(capture, name, live=True)


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Return a picture of OpenCV, BGR, grey or with alpha, as (H, W, 3) uint8 RGB."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    code = {
        1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB
    }[channels]  # fmt: skip
    return cv2.cvtColor(image, code)
