"""`python -m dllab.warm install | status | stop`."""

import argparse
import sys

from . import WarmError, install, status, stop


def main() -> int:
    """Parse the command, call one function, print."""
    parser = argparse.ArgumentParser(prog="python -m dllab.warm", description=__doc__)
    parser.add_argument("command", choices=("install", "status", "stop"))
    parser.add_argument("--prefix", default=sys.prefix, help="where to install the kernel")
    chosen = parser.parse_args()
    try:
        if chosen.command == "install":
            print(install(chosen.prefix))
        elif chosen.command == "status":
            print("\n".join(map(str, status())) or "No template is running.")
        else:
            print(f"Templates ended: {stop()}.")
    except WarmError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
