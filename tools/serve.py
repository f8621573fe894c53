"""Show the built book on a local port: `python tools/serve.py --port 8000`."""

import argparse
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).parent.parent / "build" / "book" / "_build" / "html"


def main() -> int:
    """Serve the site on loopback until Ctrl-C; say so, or say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free one")
    parser.add_argument("--site", type=Path, default=SITE, help="folder to serve")
    options = parser.parse_args()
    if not (options.site / "index.html").exists():
        print("There is no built book yet. Run: make book", file=sys.stderr)
        return 1
    handler = partial(SimpleHTTPRequestHandler, directory=options.site)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", options.port), handler)
    except OSError as error:
        print(
            f"Port {options.port} is not free ({error.strerror}). Run: make serve PORT=8001",
            file=sys.stderr,
        )
        return 1
    with server:
        print(f"The book is at http://127.0.0.1:{server.server_port}  (Ctrl-C stops)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
