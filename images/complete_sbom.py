"""Completes syft's SBOM of an image with what only the lock and the image itself say; called by images/sbom.

complete_sbom.py IMAGE ARCHIVES < FOUND > COMPLETED, where IMAGE is what `docker image inspect` says, as JSON, and
ARCHIVES are the paths of Java's. Python packages get the address and the hash of the file that `uv.lock` has for the
image's platform; archives that syft does not recognize, such as `orc-core-2.2.2-shaded-protobuf.jar`, get name and
version of their file. The serial number and the time are the image's: the same image has the same number.
"""

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

PYTHON = (3, 12)
GLIBC = 36  # bookworm's is 2.36
ARCHIVE = re.compile(r"(.+?)-([0-9][^-]*)(-.+)?\.jar")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def tags(architecture: str) -> list[Tag]:
    """What an image of this architecture can install, the best first."""
    machine = MACHINES[architecture]
    named = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    platforms: list[str] = []
    for minor in range(GLIBC, 4, -1):
        platforms += [f"manylinux_2_{minor}_{machine}", *([f"{named[minor]}_{machine}"] if minor in named else [])]
    platforms.append(f"linux_{machine}")
    return [*cpython_tags(PYTHON, platforms=platforms), *compatible_tags(PYTHON, "cp312", platforms)]


def locked(lock: dict[str, Any], accepted: list[Tag]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """The file of each package, by name and version: the wheel that fits best, else the sources."""
    rank = {tag: place for place, tag in enumerate(accepted)}
    for package in lock["package"]:
        fitting = [
            (min(rank[tag] for tag in found), wheel)
            for wheel in package.get("wheels", ())
            if (found := rank.keys() & parse_wheel_filename(wheel["url"].rpartition("/")[2])[3])
        ]
        file = min(fitting, key=lambda each: each[0])[1] if fitting else package.get("sdist")
        if file and "url" in file:
            yield (package["name"], package["version"]), file


def unrecognized(bom: dict[str, Any], archives: list[str]) -> Iterator[dict[str, Any]]:
    """Components for the archives that none of the SBOM lies in."""
    known = {each["value"] for component in bom["components"] for each in component.get("properties", ())}
    for path in archives:
        named = ARCHIVE.fullmatch(path.rpartition("/")[2])
        if path not in known and named:
            place = {"name": "syft:location:0:path", "value": path}
            yield {"type": "library", "bom-ref": path, "name": named[1], "version": named[2], "properties": [place]}


def completed(bom: dict[str, Any], image: dict[str, Any], archives: list[str], lock: dict[str, Any]) -> dict[str, Any]:
    """The SBOM with the other archives, the hashes of the lock, and the number and the time of the image."""
    bom["components"] += unrecognized(bom, sorted(archives))
    files = dict(locked(lock, tags(image["Architecture"])))
    for component in bom["components"]:
        if component.get("purl", "").startswith("pkg:pypi/"):
            file = files.get((canonicalize_name(component["name"]), component["version"]))
            if file:
                content = file["hash"].removeprefix("sha256:")
                reference = {"type": "distribution", "url": file["url"]}
                reference["hashes"] = [{"alg": "SHA-256", "content": content}]
                component.setdefault("externalReferences", []).append(reference)
    bom["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, image["Id"]).urn
    bom["metadata"]["timestamp"] = image["Created"]
    return bom


if __name__ == "__main__":
    lock = tomllib.loads((Path(__file__).parents[1] / "uv.lock").read_text(encoding="utf-8"))
    print(json.dumps(completed(json.load(sys.stdin), json.loads(sys.argv[1]), sys.argv[2].split("\n"), lock), indent=1))  # noqa: T201
