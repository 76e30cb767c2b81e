#!/usr/bin/env python3
"""Reads the descriptions (`# -- ...`) in the values.yaml of a chart; run with a chart's folder it prints them as a table. Called by generate.sh and test.py."""
import json
import re
import sys
from pathlib import Path

import yaml


def described(chart):
    """Descriptions by path, such as `operator.replicas`. Blocks are indented by two, and a description stands right above its key."""
    found, stack, text = {}, [], []
    for line in (Path(chart) / "values.yaml").read_text().splitlines():
        if comment := re.match(r" *# ?(.*)$", line):
            text = [comment[1][3:]] if comment[1].startswith("-- ") else text + [comment[1]] if text else []
        elif key := re.match(r"( *)(\w+):", line):
            stack = stack[: len(key[1]) // 2] + [key[2]]
            if text:
                found[".".join(stack)] = " ".join(text)
            text = []
        else:
            text = []
    return found


def rows(values, texts, path=""):
    for key, value in values.items():
        here = f"{path}.{key}" if path else key
        nested = isinstance(value, dict) and any(other.startswith(here + ".") for other in texts)
        if here in texts:
            yield here, "" if nested else f"`{json.dumps(value)}`", texts[here]
        if nested:
            yield from rows(value, texts, here)


def main(chart):
    values = yaml.safe_load((Path(chart) / "values.yaml").read_text())
    print("<!-- Written by charts/generate.sh from values.yaml. -->\n")
    print(f"# Values of the chart {Path(chart).name}\n\n| value | default | meaning |\n|---|---|---|")
    for path, default, text in rows(values, described(chart)):
        print(f"| `{path}` | {default} | {text.replace('|', chr(92) + '|')} |")


if __name__ == "__main__":
    main(sys.argv[1])
