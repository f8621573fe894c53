"""Render emoji of Noto Color Emoji to `dllab/data/files/emoji.npz`.

    apt-get download fonts-noto-color-emoji unicode-data     # then `dpkg-deb -x` both
    python tools/render_emoji.py NotoColorEmoji.ttf emoji-test.txt

Then copy the printed hash to `dllab/data/cards.toml`. The font holds bitmaps of one size; each
is drawn on white and made 64 pixels wide. Labels are groups of Unicode's own subgroups.
"""

import argparse
from pathlib import Path

import numpy as np
from dataset_files import FILES, write
from PIL import Image, ImageDraw, ImageFont

SIZE = 64
BITMAP_SIZE = 109  # the only size in the font, in points; its bitmaps are 136 by 128 pixels
CANVAS = 136
SHARES = {"validation": 0.15, "test": 0.35}

# Our class: the beginnings of Unicode's subgroups that make it up. Faces are left out: they
# are a hundred yellow disks, so nearly the same picture would lie in several splits.
CLASSES = {
    "animal": ("animal-",),
    "clothing": ("clothing",),
    "food": ("food-", "drink"),
    "game": ("sport", "game", "musical-instrument"),
    "place": ("place-building", "place-religious", "place-other", "place-geographic"),
    "tool": ("tool", "science", "medical", "phone", "computer", "light & video"),
    "vehicle": ("transport-ground", "transport-water", "transport-air"),
}
# In the transport groups, but nothing that moves: tracks, signs, fuel, a seat.
NOT_VEHICLES = set("🚏🛣🛤🛢⛽🛞🚨🚥🚦🛑🚧⚓🛟💺🪂")
# Card suits and one tile are symbols rather than pictures.
NOT_GAMES = set("♠♥♦♣🀄🎴🃏")


def read_groups(table: Path) -> dict[str, list[str]]:
    """Return each class's emoji, single characters only, in Unicode's order."""
    found: dict[str, list[str]] = {name: [] for name in CLASSES}
    target = None
    for line in table.read_text("utf-8").splitlines():
        if line.startswith("# subgroup:"):
            subgroup = line.removeprefix("# subgroup:").strip()
            target = next((n for n, starts in CLASSES.items() if subgroup.startswith(starts)), None)
        elif target and "; fully-qualified" in line:
            codes = [c for c in line.split(";")[0].split() if c != "FE0F"]
            character = chr(int(codes[0], 16))
            if len(codes) == 1 and character not in NOT_VEHICLES | NOT_GAMES:
                found[target].append(character)
    return found


def render(character: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """Return one emoji on white as a uint8 array `(64, 64, 3)`."""
    canvas = Image.new("RGB", (CANVAS, CANVAS), "white")
    draw = ImageDraw.Draw(canvas)
    center = (CANVAS // 2, CANVAS // 2)
    draw.text(center, character, font=font, embedded_color=True, anchor="mm")
    return np.asarray(canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def main() -> None:
    """Read the font and the table named on the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("font", type=Path)
    parser.add_argument("table", type=Path)
    arguments = parser.parse_args()
    font = ImageFont.truetype(str(arguments.font), BITMAP_SIZE)
    groups = read_groups(arguments.table)
    x = np.stack([render(c, font) for characters in groups.values() for c in characters])
    y = np.repeat(np.arange(len(groups)), [len(c) for c in groups.values()])
    write(FILES / "emoji.npz", x, y, SHARES)
    print({name: len(characters) for name, characters in groups.items()})


if __name__ == "__main__":
    main()
