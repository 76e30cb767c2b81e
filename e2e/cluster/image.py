#!/usr/bin/env python3
"""Packs OCI image archives without a daemon, for `ctr images import` and `kind load image-archive`.

image.py files OUT.tar NAME:TAG SOURCE=TARGET [ENTRYPOINT_ARG...]
    One image of single files.
image.py dockerfile OUT.tar DOCKERFILE --root STAGE:FOLDER=HERE... --image STAGE=NAME:TAG... [--label K=V]
    The final stages of a Dockerfile. They may only copy files out of an earlier stage onto an empty image; where that stage would have FOLDER, HERE
    is read. What the images hold is therefore what the Dockerfile says, and an instruction that is not understood is an error.
"""
import argparse
import hashlib
import io
import json
import os
import posixpath
import re
import shlex
import sys
import tarfile

OCI = "application/vnd.oci.image."
NOBODY = "65532:65532"


def fail(message):
    sys.exit(f"image.py: {message}")


class Archive:
    """An OCI layout in one tar, with every blob once."""

    def __init__(self):
        self.blobs, self.manifests = {}, []

    def blob(self, data, media):
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    def add(self, name, files, config):
        """files: [(source, target, mode)]; config: what the image says of how it is run."""
        layer = self.blob(layer_of(files), OCI + "layer.v1.tar")
        described = {"architecture": "amd64", "os": "linux", "config": config,
                     "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
        manifest = self.blob(dump({
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": self.blob(dump(described), OCI + "config.v1+json"), "layers": [layer],
        }), OCI + "manifest.v1+json")
        # The names that containerd and Docker look for: fully qualified, and the tag alone.
        manifest["annotations"] = {"io.containerd.image.name": qualified(name), "org.opencontainers.image.ref.name": name}
        self.manifests.append(manifest)

    def write(self, path):
        files = {"oci-layout": dump({"imageLayoutVersion": "1.0.0"}),
                 "index.json": dump({"schemaVersion": 2, "manifests": self.manifests})}
        files.update({"blobs/sha256/" + digest: data for digest, data in self.blobs.items()})
        draft = path + ".draft"
        with tarfile.open(draft, "w") as tar:
            for name, data in files.items():
                tar.addfile(entry(name, len(data)), io.BytesIO(data))
        os.rename(draft, path)


def qualified(name):
    first = name.split("/")[0]
    return name if "." in first or ":" in first and "/" in name else "docker.io/" + name


def dump(value):
    return json.dumps(value, sort_keys=True).encode()


def entry(name, size=0, mode=0o644, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type = size, mode, kind
    return info


def layer_of(files):
    layer, folders = io.BytesIO(), set()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for source, target, mode in files:
            parts = target.strip("/").split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(parts[:depth])
                if folder not in folders:
                    folders.add(folder)
                    tar.addfile(entry(folder, mode=0o755, kind=tarfile.DIRTYPE))
            with open(source, "rb") as file:
                tar.addfile(entry("/".join(parts), os.path.getsize(source), mode or permissions(source)), file)
    return layer.getvalue()


def permissions(source):
    return 0o755 if os.access(source, os.X_OK) else 0o644


class Stage:
    """A final stage: what it copies, and how its image is run."""

    def __init__(self, base=None):
        self.copies = list(base.copies) if base else []
        self.config = json.loads(json.dumps(base.config)) if base else {}


def instructions(path):
    """(word, rest) of each instruction; comments dropped, continued lines joined, ARG defaults put in."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"(?m)^[ \t]*#.*\n", "", file.read())
    arguments = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            rest = re.sub(r"\$\{?(\w+)\}?", lambda found: arguments.get(found[1], found[0]), rest.strip())
            if word.upper() == "ARG" and "=" in rest:
                name, value = rest.split("=", 1)
                arguments[name] = value.strip('"')
            yield word.upper(), rest


def stages(path):
    """The stages that begin at scratch, by name. Others build, and are not looked at."""
    found, current = {}, None
    for word, rest in instructions(path):
        if word == "FROM":
            match = re.fullmatch(r"(?:--platform=\S+ )?(\S+)(?: +[Aa][Ss] +(\S+))?", rest)
            if not match:
                fail(f"{path}: FROM {rest}")
            base, name = match[1], match[2]
            current = Stage() if base == "scratch" else Stage(found[base]) if base in found else None
            if current and name:
                found[name] = current
        elif current and word != "ARG":
            understand(current, path, word, rest)
    return found


def understand(stage, path, word, rest):
    config = stage.config
    if word == "COPY":
        options = dict(re.findall(r"--(\w+)=(\S+)", rest))
        paths = [part for part in shlex.split(rest) if not part.startswith("--")]
        if "from" not in options or len(paths) != 2 or not all(part.startswith("/") for part in paths):
            fail(f"{path}: COPY {rest}: only one file at a time, by absolute paths, from an earlier stage")
        mode = int(options["chmod"], 8) if "chmod" in options else None
        source, target = paths
        if target.endswith("/"):
            target += posixpath.basename(source)
        stage.copies.append((options["from"], source, target, mode))
    elif word in ("ENTRYPOINT", "CMD"):
        config[word.capitalize()] = json.loads(rest)
    elif word == "USER":
        config["User"] = rest
    elif word == "WORKDIR":
        config["WorkingDir"] = rest
    elif word == "STOPSIGNAL":
        config["StopSignal"] = rest
    elif word == "EXPOSE":
        config.setdefault("ExposedPorts", {}).update({port if "/" in port else port + "/tcp": {} for port in rest.split()})
    elif word == "ENV":
        config.setdefault("Env", []).extend(shlex.split(rest))
    elif word == "LABEL":
        config.setdefault("Labels", {}).update(pair.split("=", 1) for pair in shlex.split(rest))
    else:
        fail(f"{path}: {word} {rest}: not understood in a final stage")


def pack_files(args):
    source, target = args.file.split("=")
    archive = Archive()
    archive.add(args.name, [(source, target, None)], {"User": NOBODY, "Entrypoint": [target, *args.argument]})
    archive.write(args.out)


def pack_dockerfile(args):
    roots = dict(root.split("=", 1) for root in args.root)
    found, archive = stages(args.dockerfile), Archive()
    for wanted in args.image:
        name, image = wanted.split("=", 1)
        if name not in found:
            fail(f"{args.dockerfile}: no final stage {name}")
        files = [(here(roots, args.dockerfile, origin, source), target, mode)
                 for origin, source, target, mode in found[name].copies]
        config = dict(found[name].config)
        config["Labels"] = {**config.get("Labels", {}), **dict(label.split("=", 1) for label in args.label)}
        archive.add(image, files, config)
    archive.write(args.out)


def here(roots, dockerfile, origin, source):
    for root, folder in roots.items():
        stage, at = root.split(":", 1)
        if stage == origin and source.startswith(at + "/"):
            return os.path.join(folder, posixpath.relpath(source, at))
    fail(f"{dockerfile}: what is {source} of stage {origin} here? (--root {origin}:FOLDER=HERE)")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
commands = parser.add_subparsers(required=True)
command = commands.add_parser("files")
command.add_argument("out")
command.add_argument("name")
command.add_argument("file")
command.add_argument("argument", nargs="*")
command.set_defaults(run=pack_files)
command = commands.add_parser("dockerfile")
command.add_argument("out")
command.add_argument("dockerfile")
command.add_argument("--root", action="append", default=[])
command.add_argument("--image", action="append", required=True)
command.add_argument("--label", action="append", default=[])
command.set_defaults(run=pack_dockerfile)
arguments = parser.parse_args()
arguments.run(arguments)
