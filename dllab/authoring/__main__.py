"""`python -m dllab.authoring build|lint|new [lab …]`: the same as `dllab author …`."""

import argparse
import os
import sys

from dllab.authoring import build, lint, new_lab
from dllab.errors import DLLabError


def main() -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m dllab.authoring")
    parser.add_argument("command", choices=("build", "lint", "new"))
    parser.add_argument("labs", nargs="*", help="names of labs; all labs and chapters by default")
    arguments = parser.parse_args()
    if arguments.command == "lint":
        problems = lint(arguments.labs or None)
        print(*problems, sep="\n", end="\n" if problems else "")
        return 1 if problems else 0
    if arguments.command == "new":
        written = [new_lab(name) for name in arguments.labs]
    else:
        written = build(arguments.labs or None)
    for path in written:
        print(os.path.relpath(path))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DLLabError as error:
        sys.exit(f"error: {error}")
