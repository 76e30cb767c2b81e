"""What the tests share: commands, rendering, and the list of checks."""
import os
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
CHART, CRDS, DEPLOY = ROOT / "charts/ringway", ROOT / "charts/ringway-crds", ROOT / "deploy"
CI = sorted((CHART / "ci").glob("*.yaml"))
CHECKS = {"": [], "cluster": []}


def check(tier=""):
    return lambda function: CHECKS[tier].append(function) or function


def run(*command, stdin=None, ok=True, **environment):
    done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment})
    if ok:
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def template(*arguments, chart=CHART, namespace="ringway-system", release="ringway", values=None):
    if values is not None:
        arguments += ("-f", "-")
    return documents(run("helm", "template", release, chart, "-n", namespace, *arguments, stdin=None if values is None else yaml.safe_dump(values)).stdout)


def one(objects, kind, name):
    found = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def same(got, want, what):
    assert got == want, f"{what}:\n  got  {got}\n  want {want}"


def pods(objects):
    """(pod spec, what has it) of everything that makes pods."""
    for item in objects:
        where = f"{item['kind']} {item['metadata']['name']}"
        if item["kind"] == "Deployment":
            yield item["spec"]["template"]["spec"], where
        elif item["kind"] == "Pod":
            yield item["spec"], where


def built(folder):
    return documents(run("kubectl", "kustomize", DEPLOY / "kustomize" / folder).stdout)
