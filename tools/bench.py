"""Measure the package against a peer in the same run; results go to `build/bench/course.json`.

Every row is a ratio: what ours takes divided by what the peer takes on this machine, now. Rounds
alternate between the two, so that a machine that slows down slows both. Run: `make bench`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"


def seconds(action: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def compare(name: str, ours: Callable[[], object], peer: Callable[[], object], rounds: int) -> dict:
    """Return medians of alternating rounds and their ratio."""
    ours_s, peer_s = [], []
    for done in range(rounds):
        print(f"  {name}: round {done + 1} of {rounds}", flush=True)
        ours_s.append(seconds(ours))
        peer_s.append(seconds(peer))
    mine, other = statistics.median(ours_s), statistics.median(peer_s)
    return {"what": name, "ours_s": mine, "peer_s": other, "ratio": mine / other}


def python(code: str) -> Callable[[], object]:
    """Return an action that runs code in a new Python."""
    return lambda: subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT
    )


def bench_import() -> dict:
    """Importing the package against importing NumPy."""
    return compare(
        "`import dllab` / `import numpy`", python("import dllab"), python("import numpy"), 7
    )


def bench_fit() -> dict:
    """Training with progress and history against plain `model.fit`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    import dllab
    from dllab import train

    digits = dllab.load("digits")

    def model() -> keras.Model:
        dllab.set_seed(0)
        layers = [keras.Input((8, 8)), keras.layers.Flatten()]
        layers += [keras.layers.Dense(64, "relu"), keras.layers.Dense(10, "softmax")]
        network = keras.Sequential(layers)
        network.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        return network

    x, y = digits.train
    held_out = tuple(digits.validation)
    train.fit(model(), digits.train, digits.validation, epochs=1, progress=False)  # warm up
    return compare(
        "`train.fit` with progress / `model.fit(verbose=0)`, 10 epochs of digits",
        lambda: train.fit(model(), digits.train, digits.validation, epochs=10),
        lambda: model().fit(x, y, validation_data=held_out, epochs=10, batch_size=64, verbose=0),
        5,
    )


def bench_check() -> dict:
    """All checks of lab 03 in a notebook against running the same tests' work by plain pytest."""
    from dllab.authoring import read_lab
    from dllab.check.labs import Lab
    from dllab.check.loading import find_lab

    name = "00_getting_started"
    namespace: dict = {}
    exec(read_lab(ROOT / "labs" / "source" / name).solution_code(), namespace)
    lab = Lab(find_lab(name), namespace)

    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "test_empty.py"
        empty.write_text("def test_nothing():\n    pass\n", encoding="utf-8")
        run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(empty)]
        return compare(
            f"`lab.progress()` of {name} / one empty pytest run",
            lab.progress,
            lambda: subprocess.run(run, check=True, capture_output=True, cwd=folder),
            5,
        )


def main() -> int:
    """Measure everything, write JSON and print a table."""
    rows = [bench_import(), bench_check(), bench_fit()]
    OUT.mkdir(parents=True, exist_ok=True)
    target = OUT / "course.json"
    draft = target.with_suffix(".tmp")
    draft.write_text(json.dumps({"cpus": os.cpu_count(), "rows": rows}, indent=1) + "\n")
    draft.replace(target)
    for row in rows:
        print(
            f"{row['ratio']:6.2f}×  {row['what']}  ({row['ours_s']:.3f} s / {row['peer_s']:.3f} s)"
        )
    print(f"written to {target.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
