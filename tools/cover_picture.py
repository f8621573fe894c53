"""Draw the picture of the front page, `book/_static/cover.svg`: a network and what it learned.

    python tools/cover_picture.py

It trains a network of `dllab.scratch`, draws what each of its units answers over the plane, and
prints how many points are on the right side. The page shows it where no JavaScript runs.
"""

import itertools
import sys
from pathlib import Path

import contourpy
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


from dllab.scratch import Adam, Dense, Sequential, binary_cross_entropy  # noqa: E402

OUT = ROOT / "book" / "_static" / "cover.svg"
UNITS = (2, 8, 8, 1)
BLUE, ORANGE = "#3f93c6", "#e07020"
LINE = "#7f8a94"
POINTS = 70
STEPS = 6000
# Edges between the bands of the big picture, as probabilities of the orange class.
BANDS = (0.0, 0.02, 0.2, 0.5, 0.8, 0.98, 1.0)
SHADES = ((BLUE, 0.5), (BLUE, 0.36), (BLUE, 0.2), (ORANGE, 0.2), (ORANGE, 0.36), (ORANGE, 0.5))


def spirals(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return `(2 * POINTS, 2)` points between -1 and 1 on two spirals, and their classes."""
    t = np.linspace(0.08, 1, POINTS)
    arms = []
    for turn in (0, np.pi):
        angle = 2.6 * np.pi * t**0.8 + turn
        arm = 0.9 * t[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        arms.append(arm + 0.015 * rng.standard_normal((POINTS, 2)))
    return np.concatenate(arms), np.repeat([0.0, 1.0], POINTS)


def train(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Sequential:
    """Fit a small network to the points, all of them in each step."""
    sizes = list(itertools.pairwise(UNITS))
    layers = [Dense(a, b, "tanh", rng=rng) for a, b in sizes[:-1]]
    model = Sequential([*layers, Dense(*sizes[-1], rng=rng)])
    optimizer = Adam(model.parameters(), learning_rate=0.01)
    for _ in range(STEPS):
        loss = binary_cross_entropy(model(x), y[:, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def answers(model: Sequential, side: int) -> list[np.ndarray]:
    """Return for each layer what its units answer on a grid, as `(units, side, side)`."""
    axis = np.linspace(-1, 1, side)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    found, signal = [grid.T.reshape(2, side, side)], grid
    for layer in model.layers:
        signal = np.asarray(layer(signal).data)
        found.append(signal.T.reshape(-1, side, side))
    return found


def band(values: np.ndarray, low: float, high: float, x: float, y: float, size: float) -> str:
    """Return the outline of where `values` lie between two limits, as a path in a square."""
    axis = np.linspace(0, size, values.shape[0])
    generator = contourpy.contour_generator(x + axis, y + axis[::-1], values)
    polygons, offsets = generator.filled(low, high)
    parts = []
    for points, starts in zip(polygons, offsets, strict=True):
        for start, stop in itertools.pairwise(starts):
            ring = points[start : stop - 1]
            parts.append("M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in ring) + "Z")
    return "".join(parts).replace(".0 ", " ").replace(".0L", "L").replace(".0Z", "Z")


def plane(model: Sequential, x: np.ndarray, y: np.ndarray) -> list[str]:
    """Draw the network's answer and the points, 400 wide, from (540, 10)."""
    left, top, size = 540, 10, 400
    logits = answers(model, 65)[-1][0]
    limits = [-1e9, *(float(np.log(p / (1 - p))) for p in BANDS[1:-1]), 1e9]
    drawn = [
        f'<path fill="{color}" fill-opacity="{opacity}" '
        f'd="{band(logits, low, high, left, top, size)}"/>'
        for low, high, (color, opacity) in zip(limits[:-1], limits[1:], SHADES, strict=True)
    ]
    for (px, py), label in zip(x, y, strict=True):
        cx, cy = left + (px + 1) / 2 * size, top + (1 - py) / 2 * size
        shape = f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="5"'
        if label:
            shape = f'<rect x="{cx - 4.5:.1f}" y="{cy - 4.5:.1f}" width="9" height="9" rx="1"'
        drawn.append(f'{shape} fill="{ORANGE if label else "#2478ad"}"/>')
    frame = f'<rect x="{left}" y="{top}" width="{size}" height="{size}" rx="6" fill="none" '
    bands, marks = drawn[: len(SHADES)], drawn[len(SHADES) :]
    return [*bands, '<g stroke="#fff">', *marks, "</g>", f'{frame}stroke="{LINE}"/>']


def center(layer: int, unit: int) -> tuple[float, float]:
    """Return where a unit stands."""
    gap = 48 if UNITS[layer] > 2 else 96
    return 40 + 145 * layer, 210 + gap * (unit - (UNITS[layer] - 1) / 2)


def network(model: Sequential) -> list[str]:
    """Draw the weights as lines, and in each unit what it answers over the plane."""
    drawn = []
    for number, layer in enumerate(model.layers):
        weights = np.asarray(layer.W.data)
        strong = np.abs(weights).max()
        for (a, b), weight in np.ndenumerate(weights):
            (x1, y1), (x2, y2) = center(number, a), center(number + 1, b)
            middle = (x1 + x2) / 2
            drawn.append(
                f'<path d="M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} '
                f'{x2:.0f} {y2:.0f}" stroke="{ORANGE if weight > 0 else BLUE}" '
                f'stroke-width="{0.4 + 3.6 * abs(weight) / strong:.1f}"/>'
            )
    x, y = center(len(UNITS) - 1, 0)
    drawn.append(f'<path d="M{x:.0f} {y:.0f}H540" stroke="{LINE}" stroke-width="2"/>')
    tiles = []
    for number, units in enumerate(answers(model, 25)):
        for unit, values in enumerate(units):
            cx, cy = center(number, unit)
            left, top = cx - 19, cy - 19
            for low, high, color in ((-1e9, 0, BLUE), (0, 1e9, ORANGE)):
                path = band(values, low, high, left, top, 38)
                tiles.append(f'<path fill="{color}" d="{path}"/>')
            tiles.append(
                f'<rect x="{left:.0f}" y="{top:.0f}" width="38" height="38" rx="3" '
                f'fill="none" stroke="{LINE}" stroke-width="1.5"/>'
            )
    return ['<g fill="none" stroke-opacity=".75">', *drawn, "</g>", *tiles]


def draw() -> tuple[str, int]:
    """Return the picture, and how many of the points the network puts on the right side."""
    rng = np.random.default_rng(3)
    x, y = spirals(rng)
    model = train(x, y, rng)
    right = int(((np.asarray(model(x).data)[:, 0] > 0) == (y > 0)).sum())
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 950 420">'
    return "\n".join([head, *network(model), *plane(model, x, y), "</svg>\n"]), right


def main() -> None:
    """Write the picture and say what it shows."""
    picture, right = draw()
    OUT.write_text(picture, encoding="utf-8")
    print(f"{OUT.relative_to(ROOT)}: {right} of {2 * POINTS} points on the right side")


if __name__ == "__main__":
    main()
