"""The markers of a JPEG file: 0xFF and a byte that says what begins here."""

JPEG_START = b"\xff\xd8\xff"  # the start of an image, and the first byte of the marker behind it
END_OF_IMAGE = b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"

# The second byte of a marker.
FILL = 0xFF  # no marker yet: any number of these may stand before one
SCAN = 0xDA
EXIF_SEGMENT = 0xE1
IMAGE_BOUNDS = frozenset({0xD8, 0xD9})  # start and end of an image
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # they hold the size
WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}  # all others have one behind them
RESERVED = frozenset(range(0x02, 0xC0)) | {0x00}  # 0x00 stands behind a coded 0xFF; none is used
