"""`python -m dllab.authoring build|lint|new [lab …]`: the same as `dllab author …`."""

import argparse
import os
import sys

from dllab.authoring import build
from dllab.errors import DLLabError


def main() -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m dllab.authoring")
    parser.add_argument("command", choices=("build", "lint", "new"))
    parser.add_argument("labs", nargs="*", help="names of labs; all by default")
    arguments = parser.parse_args()
    for path in build(arguments.labs or None):
        print(os.path.relpath(path))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DLLabError as error:
        sys.exit(f"error: {error}")
