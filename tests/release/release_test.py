#!/usr/bin/env python3
"""tools/release.py: the same bytes from two clones and from its own archive; what is in them; when it refuses.
usage: release_test.py SOURCE-ROOT"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1)).resolve()
TOOL = ROOT / "tools" / "release.py"
GIT = ["git", "-c", "safe.directory=*", "-c", "user.name=n", "-c", "user.email=e"]


def run(*words, umask=0o022, code=0):
    process = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             check=False, umask=umask, env={**os.environ, "LC_ALL": "C"})
    if process.returncode != code:
        sys.exit("%s: %d\n%s" % (words, process.returncode, process.stdout))
    return process.stdout


def clone(folder, umask=0o022):
    """The tree as it lies here, committed, in a clone."""
    run(*GIT, "init", "--quiet", folder, umask=umask)
    sys.path.insert(0, str(TOOL.parent))
    sys.dont_write_bytecode = True
    import release
    for name, executable in release.listed(ROOT).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
        path.chmod(0o755 if executable else 0o644)
    run(*GIT, "-C", folder, "add", "--all")
    run("env", "GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000",
        *GIT, "-C", folder, "commit", "--quiet", "--message=all")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class ReleaseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.top = pathlib.Path(cls.folder.name)
        clone(cls.top / "one")
        run(*GIT, "clone", "--quiet", cls.top / "one", cls.top / "deep" / "two", umask=0o077)
        cls.make("one", "made")
        cls.made = contents(cls.top / "made")
        (cls.archive,) = [name for name in cls.made if name.endswith(".tar.gz")]
        cls.name = cls.archive.removesuffix(".tar.gz")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def make(cls, tree, output, *options, umask=0o022, code=0):
        return run(sys.executable, TOOL, "--root", cls.top / tree, *(options or ["--rehearsal"]), cls.top / output,
                   umask=umask, code=code)

    def test_another_folder_and_umask_give_the_same_bytes(self):
        self.make("deep/two", "again", umask=0o077)
        self.assertEqual(contents(self.top / "again"), self.made)

    def test_the_archive_unpacked_gives_itself_again(self):
        with tarfile.open(self.top / "made" / self.archive) as tar:
            tar.extractall(self.top / "unpacked")
        self.make("unpacked/" + self.name, "itself", umask=0o077)
        self.assertEqual(contents(self.top / "itself"), self.made)

    def test_another_content_gives_other_bytes(self):
        run("cp", "-a", self.top / "one", self.top / "other")
        with open(self.top / "other" / "README.md", "a", encoding="utf-8") as file:
            file.write("more\n")
        self.make("other", "different")
        self.assertNotEqual(contents(self.top / "different")[self.archive], self.made[self.archive])

    def test_all_is_in_one_folder_with_the_one_file_and_without_what_is_ours_alone(self):
        with tarfile.open(self.top / "made" / self.archive) as tar:
            entries = {entry.name.removeprefix(self.name + "/"): entry for entry in tar}
        wanted = {"LICENSE", "meson.build", "CMakeLists.txt", "dist/ev.c", "dist/ev.h", "dist/ev++.h", "dev", "man/ev.3.scd"}
        self.assertEqual(wanted - set(entries), set())
        self.assertEqual([name for name in entries if name.startswith((".ci", ".git", "build", "out/", "evring"))], [])
        self.assertEqual({(entry.mtime, entry.uid, entry.uname) for entry in entries.values()}, {(1700000000, 0, "root")})
        self.assertEqual((entries["dev"].mode, entries["README.md"].mode), (0o755, 0o644))

    def test_checksums_and_hashes_are_right(self):
        lines = dict(reversed(line.split("  ")) for line in self.made["SHA256SUMS"].decode().splitlines())
        self.assertEqual(sorted(lines), sorted(set(self.made) - {"SHA256SUMS"}))
        for name, digest in lines.items():
            self.assertEqual(hashlib.sha256(self.made[name]).hexdigest(), digest)
        self.assertIn("source_hash = %s\n" % lines[self.archive], self.made["evring.wrap"].decode())

    def test_the_bill_names_every_file_and_its_licence(self):
        bill = json.loads(self.made[self.name + ".spdx.json"])
        with tarfile.open(self.top / "made" / self.archive) as tar:
            names = ["./" + entry.name.removeprefix(self.name + "/") for entry in tar]
        self.assertEqual([entry["fileName"] for entry in bill["files"]], names)
        self.assertEqual({entry["licenseConcluded"] for entry in bill["files"]}, {"BSD-2-Clause"})

    def test_a_tree_that_is_not_ready_is_refused_and_one_that_is_cut_and_committed_is_not(self):
        tree = self.top / "cut"
        run(*GIT, "clone", "--quiet", self.top / "one", tree)
        changes = tree / "CHANGES.md"
        changes.write_text("# Changes\n\n## 0.0 (not released)\n\n- One.\n", encoding="utf-8")
        self.assertIn("--cut", self.make("cut", "no", "--", code=1))
        version = self.name.removeprefix("evring-")
        self.assertIn("## %s (20" % version, run(sys.executable, TOOL, "--root", tree, "--cut"))
        self.assertRegex(changes.read_text(encoding="utf-8"), r"\A# Changes\n\n## %s \(\d+-\d+-\d+\)\n\n- One\.\n\Z" % version)
        self.assertIn("cut already", run(sys.executable, TOOL, "--root", tree, "--cut", code=1))
        self.assertIn("not committed", self.make("cut", "no", "--", code=1))
        run(*GIT, "-C", tree, "commit", "--quiet", "--all", "--message=cut")
        self.make("cut", "yes", "--")
        self.assertIn(self.archive, contents(self.top / "yes"))


unittest.main(argv=sys.argv[:1])
