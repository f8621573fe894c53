"""Ask each external address in the book whether it still answers: `make links`.

Needs a network, so the suite does not run it. Sphinx's own builder `linkcheck` does the asking; the
repository's and the site's own addresses are left out, since a change may be published later.
"""

import re
import sys
from pathlib import Path

from build_book import OUT, ROOT
from build_pdf import run_sphinx

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from dllab_book.project import COLAB, addresses


def main() -> int:
    """Check, and name each address that does not answer."""
    own = [re.escape(address) for address in (*addresses(ROOT).values(), COLAB)]
    work: Path = OUT.with_name("links")
    print("Asking each external address of the book. This takes some minutes.", flush=True)
    result = run_sphinx(
        "linkcheck",
        work / "out",
        work / "doctrees",
        linkcheck_ignore=[*own, r"^(?!https?:)"],
        linkcheck_timeout=20,
        linkcheck_workers=8,
        linkcheck_anchors=False,
    )
    report = work / "out" / "output.txt"
    lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    broken = [line for line in lines if "[broken]" in line or "[timeout]" in line]
    print("\n".join(broken))
    if result != 0 or broken:
        print(
            f"{len(broken)} addresses do not answer; all that was asked: {report}", file=sys.stderr
        )
        return 1
    print(f"Every address answers: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
