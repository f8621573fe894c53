"""Copy the parts of MathJax that the book's pages load into `book/_vendor/mathjax`.

    python tools/vendor_mathjax.py            # from the npm registry, the version below
    python tools/vendor_mathjax.py --check    # compare the copy with its manifest, offline

`manifest.json` in that folder records the version and each file's SHA-256.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE, VERSION = "mathjax", "3.2.2"
TARGET = Path(__file__).parent.parent / "book" / "_vendor" / "mathjax"

# The combined component, what it loads lazily for a TeX command, the fonts, and what the menu's
# accessibility entries load (English speech rules).
WANTED = (
    "LICENSE",
    "es5/tex-chtml.js",
    "es5/input/tex/extensions/*.js",
    "es5/output/chtml/fonts/woff-v2/*.woff",
    "es5/a11y/*.js",
    "es5/sre/mathmaps/base.json",
    "es5/sre/mathmaps/en.json",
    "es5/sre/mathmaps/nemeth.json",
)


def sums(folder: Path) -> dict[str, str]:
    """Return each file's path in `folder` and its SHA-256, the manifest itself left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
    }


def check(target: Path) -> list[str]:
    """Return the paths that differ from the manifest: changed, missing or unknown."""
    recorded = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["files"]
    present = sums(target)
    return sorted(name for name in recorded | present if recorded.get(name) != present.get(name))


def vendor(target: Path) -> None:
    """Download the package with npm and replace `target` by the files that are wanted."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        command = ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"]
        subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(work.glob("*.tgz"))) as archive:
            archive.extractall(work, filter="data")
        shutil.rmtree(target, ignore_errors=True)
        for pattern in WANTED:
            _copy(work / "package", pattern, target)
    manifest = {"package": PACKAGE, "version": VERSION, "files": sums(target)}
    text = json.dumps(manifest, indent=1) + "\n"
    (target / "manifest.json").write_text(text, encoding="utf-8")


def _copy(source: Path, pattern: str, target: Path) -> None:
    found = sorted(source.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{PACKAGE} {VERSION} has no file {pattern}")
    for path in found:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def main() -> int:
    """Vendor, or check; say what was done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare with the manifest")
    if parser.parse_args().check:
        differing = check(TARGET)
        print("\n".join(differing) or "The copy is what the manifest says.")
        return 1 if differing else 0
    vendor(TARGET)
    size = sum(path.stat().st_size for path in TARGET.rglob("*") if path.is_file())
    print(f"{PACKAGE} {VERSION}: {len(sums(TARGET))} files, {size / 1e6:.1f} MB, in {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
