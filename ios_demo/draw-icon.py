#!/usr/bin/env python3
"""Draws the app's icon: a face in the frame that the app draws around it, above bars in the screen's colours.

python ios_demo/draw-icon.py [FILE]; needs Pillow, which fer-deploy brings.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw

SIDE, FINER = 1024, 4
FILE = Path(__file__).resolve().parent / "App/Assets.xcassets/AppIcon.appiconset/icon.png"
BACKGROUND, FRAME, FACE, LINE = "#10141A", "#FFFFFF", "#C9A687", "#2B2B2B"
#: Okabe and Ito's colours, as the bars have them, and how long each bar is.
BARS = (("#E69F00", 1.0), ("#56B4E9", 0.45), ("#009E73", 0.25))


def icon() -> Image.Image:
    """Return the icon, which has no alpha channel: the App Store takes none that has one."""
    picture = Image.new("RGB", (SIDE * FINER, SIDE * FINER), BACKGROUND)
    draw = ImageDraw.Draw(picture)

    def scaled(*edges: float) -> list[float]:
        return [edge * SIDE * FINER for edge in edges]

    def width(share: float) -> int:
        return round(share * SIDE * FINER)

    draw.rectangle(scaled(0.29, 0.12, 0.71, 0.64), outline=FRAME, width=width(0.018))
    draw.ellipse(scaled(0.34, 0.16, 0.66, 0.6), fill=FACE)
    for middle in (0.435, 0.565):
        draw.ellipse(scaled(middle - 0.022, 0.318, middle + 0.022, 0.362), fill=LINE)
    draw.arc(scaled(0.42, 0.36, 0.58, 0.52), 25, 155, fill=LINE, width=width(0.018))
    for index, (colour, share) in enumerate(BARS):
        top = 0.71 + 0.065 * index
        draw.rounded_rectangle(
            scaled(0.24, top, 0.24 + 0.52 * share, top + 0.042), radius=width(0.012), fill=colour
        )
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    icon().save(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE, optimize=True)
