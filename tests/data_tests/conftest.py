"""Puts data/ on the path, as running data/draw_fruit.py does."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "data"))
