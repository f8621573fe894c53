"""Measure warm kernels against ordinary ones; write `build/bench/warm.json` and `warm.md`.

Both kinds run the same notebook in the same session, by turns, so that ratios do not depend
on how busy the machine is. The time to fill the template is measured once and given apart.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from dllab import warm

OUT = Path("build/bench")
KINDS = {"ordinary": "python3", "warm": warm.KERNEL_NAME}
IMPORT = "import keras\nprint(keras.ops.sum(keras.ops.ones(3)))"
NOTEBOOK = [
    "import keras\nimport matplotlib.pyplot as plt\nimport numpy as np",
    "keras.utils.set_random_seed(0)\n"
    "x = np.random.default_rng(0).normal(size=(256, 8)).astype('float32')\n"
    "y = (x.sum(axis=1) > 0).astype('int64')",
    "model = keras.Sequential([keras.layers.Dense(16, activation='relu'), keras.layers.Dense(2)])\n"
    "loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)\n"
    "model.compile('adam', loss, metrics=['accuracy'])\n"
    "history = model.fit(x, y, epochs=3, verbose=0)",
    "plt.plot(history.history['loss'])\nplt.show()",
]


async def run_notebook(kernel: str, cells: list[str]) -> float:
    """Return the seconds from nothing to a finished notebook and an ended kernel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    start = time.perf_counter()
    await NotebookClient(notebook, kernel_name=kernel, timeout=300).async_execute()
    return time.perf_counter() - start


async def run_parallel(kernel: str, cells: list[str], count: int) -> float:
    """Return the seconds that `count` notebooks take that start at the same moment."""
    start = time.perf_counter()
    await asyncio.gather(*(run_notebook(kernel, cells) for _ in range(count)))
    return time.perf_counter() - start


async def added_memory(kernel: str, cells: list[str], count: int) -> list[float]:
    """Return the megabytes (PSS) that each further kernel adds to all of them together.

    Each kernel has run `cells`. The template counts as one of the processes, so that what
    a kernel shares with it is counted once.
    """
    managers, clients, totals = [], [], []
    for _ in range(count):
        manager = AsyncKernelManager(kernel_name=kernel)
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=120)
        await client.execute_interactive("\n".join(cells), output_hook=lambda _: None)
        managers.append(manager)
        clients.append(client)
        pids = [each.provisioner.pid for each in managers]
        if kernel == warm.KERNEL_NAME:
            pids += [found.pid for found in warm.status() if found.pid]
        totals.append(sum(pss(pid) for pid in pids))
    for manager, client in zip(managers, clients, strict=True):
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
    return [later - earlier for earlier, later in itertools.pairwise(totals)]


def pss(pid: int) -> float:
    """Return a process's proportional set size in megabytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    raise ValueError(f"process {pid} does not tell its memory")


async def measure(rounds: int, parallel: int, kernels: int) -> dict[str, Any]:
    """Take every measurement; the kinds take turns within a round."""
    begin = time.perf_counter()
    await run_notebook(warm.KERNEL_NAME, ["pass"])
    fill = time.perf_counter() - begin
    found: dict[str, dict[str, list[float]]] = {
        name: {kind: [] for kind in KINDS} for name in ("first", "notebook", "parallel", "memory")
    }
    for _ in range(rounds):
        for kind, kernel in KINDS.items():
            found["first"][kind].append(await run_notebook(kernel, [IMPORT]))
            found["notebook"][kind].append(await run_notebook(kernel, NOTEBOOK))
    for kind, kernel in KINDS.items():
        found["parallel"][kind].append(await run_parallel(kernel, NOTEBOOK, parallel))
        found["memory"][kind] += await added_memory(kernel, NOTEBOOK, kernels)
    warm.stop()
    return {
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        "rounds": rounds,
        "parallel": parallel,
        "template_seconds": round(fill, 2),
        "measurements": {name: _compare(values) for name, values in found.items()},
    }


def _compare(values: dict[str, list[float]]) -> dict[str, float]:
    medians = {kind: statistics.median(numbers) for kind, numbers in values.items()}
    ratio = medians["ordinary"] / medians["warm"]
    return {kind: round(number, 3) for kind, number in medians.items()} | {"ratio": round(ratio, 2)}


def as_markdown(report: dict[str, Any]) -> str:
    """Return the report as a table."""
    titles = {
        "first": "first Keras result, kernel's end included (s)",
        "notebook": "small Keras notebook (s)",
        "parallel": f"{report['parallel']} of these at once (s)",
        "memory": "memory that a further kernel adds (MB, PSS)",
    }
    lines = ["| what | ordinary | warm | ratio |", "| --- | ---: | ---: | ---: |"]
    for name, row in report["measurements"].items():
        lines.append(f"| {titles[name]} | {row['ordinary']} | {row['warm']} | {row['ratio']} |")
    lines.append("")
    lines.append(f"Filling the template took {report['template_seconds']} s, once.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write both files, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parallel", type=int, default=10)
    parser.add_argument("--kernels", type=int, default=3, help="kernels alive for the memory")
    chosen = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        os.environ["DLLAB_WARM_DIR"] = str(Path(folder, "run"))
        report = runner.run(measure(chosen.rounds, chosen.parallel, chosen.kernels))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "warm.json").write_text(json.dumps(report, indent=1) + "\n")
    (OUT / "warm.md").write_text(as_markdown(report))
    print(as_markdown(report))


if __name__ == "__main__":
    main()
