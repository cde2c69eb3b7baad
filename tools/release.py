#!/usr/bin/env python3
"""Makes what a release consists of: the archive (the tree, and the library as one file in dist/), a wrap file for
Meson, a bill of materials (SPDX 2.3) and the checksums of all of them.

usage: release.py [--root TREE] [--rehearsal] OUTPUT-DIRECTORY
       release.py [--root TREE] --cut        (CHANGES.md: what was not released is, as of today)

The same commit gives the same bytes, wherever and by whomever it is made: order, times, owners and modes come from
the commit. A release is made of a tree without changes whose CHANGES.md is cut; --rehearsal does without both.
An archive unpacked gives itself again."""
import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
import amalgamate  # noqa: E402  (of this folder)

# What is for our own house only, and what a build leaves behind.
LEFT_OUT = re.compile(r"(\.ci|\.git|dist|out|release|packages|site|build[^/]*)/|\.git\w*$|(.*/)?__pycache__/")


class Trouble(Exception):
    pass


def git(root, *words):
    command = ["git", "-c", "safe.directory=*", "-C", str(root), *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def version(root):
    found = re.search(r"^    version: '([^']+)'", (root / "meson.build").read_text(encoding="utf-8"), re.M)
    if not found:
        raise Trouble("meson.build has no version")
    return found[1]


def heading(root):
    """The first heading of CHANGES.md: (text before, version, date or "not released")."""
    text = (root / "CHANGES.md").read_text(encoding="utf-8")
    found = re.search(r"^## (\S+) \((.*)\)$", text, re.M)
    if not found:
        raise Trouble("CHANGES.md does not begin with a heading such as \"## 0.1.0 (2026-12-24)\"")
    return found


def cut(root):
    found = heading(root)
    if found[2] != "not released":
        raise Trouble(f"CHANGES.md is cut already: {found[0]}")
    line = f"## {version(root)} ({datetime.date.today().isoformat()})"
    path = root / "CHANGES.md"
    path.write_text(path.read_text(encoding="utf-8").replace(found[0], line, 1), encoding="utf-8")
    print(f"CHANGES.md: {line}")


def check_ready(root):
    found = heading(root)
    if found[2] == "not released" or found[1] != version(root):
        raise Trouble(f"CHANGES.md says \"{found[1]} ({found[2]})\", meson.build {version(root)}: ./dev release --cut")
    if (root / ".git").exists() and git(root, "status", "--porcelain"):
        raise Trouble("there are changes that are not committed")


def listed(root):
    """{name: executable?} of the tree; by git if it is a clone."""
    if (root / ".git").exists():
        rows = [row.split("\t", 1) for row in git(root, "ls-files", "-s", "-z").split("\0") if row]
        found = {name: row.startswith("100755") for row, name in rows}
    else:
        paths = [path for path in root.rglob("*") if path.is_file()]
        found = {str(path.relative_to(root)): os.access(path, os.X_OK) for path in paths}
    return {name: mode for name, mode in found.items() if not LEFT_OUT.match(name)}


def moment(root):
    """When the commit was made."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    if (root / ".git").exists():
        return int(git(root, "log", "-1", "--format=%ct"))
    return int((root / "meson.build").stat().st_mtime)


def one_file(root):
    """{name: bytes} of dist/."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, root / "tools" / "amalgamate.py", folder]
        subprocess.run(command, check=True)
        return {f"dist/{path.name}": path.read_bytes() for path in pathlib.Path(folder).iterdir()}


def contents(root):
    """{name: (bytes, executable?)} of the archive, in its order."""
    found = {name: ((root / name).read_bytes(), mode) for name, mode in listed(root).items()}
    found.update({name: (data, False) for name, data in one_file(root).items()})
    return dict(sorted(found.items()))


def archive(name, files, seconds):
    """The bytes of a .tar.gz in which all lies in a folder with that name."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, (data, executable) in files.items():
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mtime, entry.mode = len(data), seconds, 0o755 if executable else 0o644
            entry.uname = entry.gname = "root"
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), compresslevel=9, mtime=0)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def materials(name, files, seconds, packed):
    """The bill of materials. It is short: nothing of others is in it, and at run time there is only the C library."""
    entries = [{
        "SPDXID": f"SPDXRef-File-{number}",
        "fileName": f"./{path}",
        "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(data).hexdigest()},
                      {"algorithm": "SHA256", "checksumValue": sha256(data)}],
        "licenseConcluded": "BSD-2-Clause",
        "copyrightText": "2026 the evring authors",
    } for number, (path, (data, _)) in enumerate(files.items(), 1)]
    code = hashlib.sha1("".join(sorted(entry["checksums"][0]["checksumValue"] for entry in entries)).encode()).hexdigest()
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"urn:evring:spdx:{name}:{sha256(packed)}",
        "creationInfo": {"created": when, "creators": ["Tool: evring-tools-release.py"]},
        "packages": [{
            "SPDXID": "SPDXRef-Package",
            "name": "evring",
            "versionInfo": name.split("-", 1)[1],
            "packageFileName": f"{name}.tar.gz",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": True,
            "packageVerificationCode": {"packageVerificationCodeValue": code},
            "checksums": [{"algorithm": "SHA256", "checksumValue": sha256(packed)}],
            "licenseConcluded": "BSD-2-Clause",
            "licenseDeclared": "BSD-2-Clause",
            "licenseInfoFromFiles": ["BSD-2-Clause"],
            "copyrightText": "2026 the evring authors",
            "primaryPackagePurpose": "LIBRARY",
        }],
        "files": entries,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": "SPDXRef-Package"}]
                         + [{"spdxElementId": "SPDXRef-Package", "relationshipType": "CONTAINS",
                             "relatedSpdxElement": entry["SPDXID"]} for entry in entries],
    }, indent=1) + "\n"


def wrap(name, packed):
    """For subprojects/ of a Meson project. The archive is looked for in subprojects/packagefiles unless who uses it adds
    the line source_url."""
    return (f"[wrap-file]\ndirectory = {name}\nsource_filename = {name}.tar.gz\nsource_hash = {sha256(packed)}\n\n"
            "[provide]\nevring = evring_dep\n")


def release(root, output):
    name, seconds, files = f"evring-{version(root)}", moment(root), contents(root)
    packed = archive(name, files, seconds)
    made = {
        f"{name}.tar.gz": packed,
        f"{name}.spdx.json": materials(name, files, seconds, packed).encode(),
        "evring.wrap": wrap(name, packed).encode(),
    }
    made["SHA256SUMS"] = "".join(f"{sha256(data)}  {file}\n" for file, data in sorted(made.items())).encode()
    output.mkdir(parents=True, exist_ok=True)
    for file, data in made.items():
        (output / file).write_bytes(data)
        print(f"{output / file}: {len(data)} bytes")


def main():
    parser = argparse.ArgumentParser(description="Makes what a release consists of.")
    parser.add_argument("output", type=pathlib.Path, nargs="?", default=pathlib.Path("release"))
    parser.add_argument("--root", type=pathlib.Path, default=amalgamate.ROOT)
    parser.add_argument("--rehearsal", action="store_true", help="of a tree that is not ready")
    parser.add_argument("--cut", action="store_true", help="give CHANGES.md its version and date, and make nothing")
    options = parser.parse_args()
    try:
        if options.cut:
            cut(options.root)
            return 0
        if not options.rehearsal:
            check_ready(options.root)
        release(options.root, options.output)
    except (Trouble, OSError, subprocess.CalledProcessError) as trouble:
        print(f"release: {trouble}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
