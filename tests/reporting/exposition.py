"""A reader of Prometheus's text format, strict about what the format asks for."""

from __future__ import annotations

import re

_SAMPLE = re.compile(
    r'([a-zA-Z_:][\w:]*)(?:\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (NaN|[+-]Inf|[-+.\de]+)', re.ASCII
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\\n]|\\["\\n])*)"', re.ASCII)
_PLAIN = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def parse(text: str) -> list[tuple[str, dict[str, str], float]]:
    """The samples; refuses a family that stands twice, without HELP and TYPE before it, or with a sample twice."""
    assert text == "" or text.endswith("\n")
    found, families, current = [], [], ""
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in families
            families.append(current)
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {current} gauge"
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == current
            labels = {
                name: re.sub(r"\\[\\\"n]", lambda escape: _PLAIN[escape[0]], value)
                for name, value in _LABEL.findall(match[2] or "")
            }
            found.append((match[1], labels, float(match[3])))
    keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in found]
    assert len(set(keys)) == len(keys)
    return found
