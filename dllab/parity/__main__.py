"""`python -m dllab.parity`: run all ways and print how far they lie apart."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from dllab.parity.cases import CASES, case
from dllab.parity.comparing import DTYPES, WAYS, compare, computes, run, save

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or, as `run`, write the outcomes of this process's framework to a file."""
    parser = argparse.ArgumentParser(prog="python -m dllab.parity", description=__doc__)
    parser.add_argument(
        "command", nargs="?", choices=("compare", "run"), default="compare", help="default: compare"
    )
    parser.add_argument("--case", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=["float32"])
    parser.add_argument("--out", type=Path, help="with run: the .npz file for the outcomes")
    options = parser.parse_args(arguments)
    if options.command == "compare":
        print("Largest relative difference from dllab.scratch in float64:\n")
        print(compare(options.case, options.ways, options.dtype).table())
        return
    if options.out is None:
        parser.error("run needs --out FILE")
    save(
        options.out,
        {
            (name, way, dtype): run(way, case(name).cast(dtype))
            for name in options.case
            for way in options.ways
            for dtype in options.dtype
            if computes(way, dtype)
        },
    )


if __name__ == "__main__":
    main()
