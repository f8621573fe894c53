"""Put the labs' checks into the wheel, and nothing that would give a solution away.

Of each lab in `labs/source/` the wheel gets, under `dllab/labs/`:

- `checks.py` and `misconceptions.toml` as they are
- `lab.json`: title, tasks in order, points
- `released.json`: the code cells of the student notebook, from which the grader mends submissions
- `mutants.bin`: the wrong answers, compressed, so that nobody meets a near-solution by accident

An editable install reads the repository instead.
"""

import importlib.util
import json
import tempfile
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

AS_THEY_ARE = ("checks.py", "misconceptions.toml")
# as in dllab.grading.released, which cannot be imported during a build
KINDS = ("setup", "task", "check", "uses-solution", "progress")


class LabsBuildHook(BuildHookInterface):
    """Hatchling calls `initialize` before it writes a wheel and `finalize` after."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the labs' files to the wheel."""
        if version == "editable":
            return
        root = Path(self.root)
        self._scratch = tempfile.TemporaryDirectory(prefix="dllab-labs-")
        outline = _load(root / "dllab" / "check" / "outline.py")
        for checks in sorted((root / "labs" / "source").glob("*/checks.py")):
            folder = checks.parent
            made = Path(self._scratch.name, folder.name)
            made.mkdir()
            content = json.dumps(outline.read_outline(folder), indent=1, ensure_ascii=False)
            (made / "lab.json").write_text(content + "\n", encoding="utf-8")
            handed_out = root / "labs" / f"{folder.name}.ipynb"
            (made / "released.json").write_text(released_cells(handed_out), encoding="utf-8")
            source = (folder / "mutants.py").read_bytes()
            (made / "mutants.bin").write_bytes(zlib.compress(source, 9))
            files = [*(folder / name for name in AS_THEY_ARE), *made.iterdir()]
            for path in sorted(files):
                build_data["force_include"][str(path)] = f"dllab/labs/{folder.name}/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was made for the wheel."""
        if version != "editable":
            self._scratch.cleanup()


def released_cells(path: Path) -> str:
    """Return the code cells of a student notebook, which holds stubs and no solution, as JSON."""
    cells = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            metadata = cell["metadata"]
            kind = next((kind for kind in KINDS if kind in metadata.get("tags", ())), "given")
            source, task = "".join(cell["source"]), metadata.get("task", "")
            cells.append({"source": source, "kind": kind, "task": task})
    return json.dumps({"cells": cells}, indent=1, ensure_ascii=False) + "\n"


def _load(path: Path) -> ModuleType:
    """Import one file of the package on its own: nothing else is installed during a build."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
