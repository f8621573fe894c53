"""Make the outputs of two runs of a notebook comparable.

- `comparable(outputs)`: a cell's outputs without what differs from run to run on any kernel
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

# Memory addresses, process numbers, durations, and lines that C++ code logs with a time.
_VARIABLE = [
    (re.compile(r"0x[0-9a-f]{6,}"), "ADDRESS"),
    (re.compile(r"(?<=ipykernel_)\d+"), "PID"),
    (re.compile(r"\b\d+(\.\d+)? ?(ns|µs|us|ms|s|min)\b(/step|/epoch)?"), "TIME"),
    (re.compile(r"^[IWE]\d{4} .*\n?", re.MULTILINE), ""),
    (re.compile(r"^WARNING: All log messages before absl.*\n?", re.MULTILINE), ""),
]


def comparable(outputs: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return the text of each stream, then results, images and errors in their order.

    How a stream was cut into messages, and how two streams interleaved, is left to chance by
    Jupyter itself.
    """
    streams = {"stdout": "", "stderr": ""}
    others: list[Any] = []
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] += output["text"]
        elif output["output_type"] == "error":
            traceback = "\n".join(output["traceback"])
            others.append([output["ename"], *map(_steady, (output["evalue"], traceback))])
        else:
            others.append({kind: _steady(str(data)) for kind, data in output["data"].items()})
    return [*map(_steady, streams.values()), *others]


def _steady(text: str) -> str:
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    return text
