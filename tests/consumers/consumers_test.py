#!/usr/bin/env python3
"""Small programs that take evring the ways there are: pkg-config and CMake's find_package from an installation that
was moved after it was made; CMake's FetchContent and Meson's wrap from a release archive.
usage: consumers_test.py SOURCE-ROOT BUILD-ROOT PREFIX LIBDIR"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT, BUILD = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
PREFIX, LIBDIR = sys.argv[3:5]
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wno-unused-parameter", "-Werror"]
SAYS = "called back 2 times\n"


def run(*words, folder=None, code=0, **environment):
    process = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             check=False, cwd=folder, env={**os.environ, "LC_ALL": "C", **environment})
    if (process.returncode == 0) != (code == 0):
        sys.exit("%s: %d\n%s" % (" ".join(map(str, words)), process.returncode, process.stdout))
    return process.stdout


class ConsumersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.top = pathlib.Path(cls.folder.name)
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", cls.top / "staged")
        cls.prefix = cls.top / "somewhere else"
        shutil.move(str(cls.top / "staged") + PREFIX, cls.prefix)
        cls.libdir = cls.prefix / LIBDIR
        run(sys.executable, ROOT / "tools" / "release.py", "--root", ROOT, "--rehearsal", cls.top / "release")
        (cls.archive,) = (cls.top / "release").glob("*.tar.gz")
        cls.version = cls.archive.name.removeprefix("evring-").removesuffix(".tar.gz")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def needed(self, program):
        return run("readelf", "--dynamic", program)

    def described(self, *words):
        return run("pkg-config", "--define-variable=prefix=" + str(self.prefix).replace(" ", "\\ "), *words, "evring",
                   PKG_CONFIG_PATH=str(self.libdir / "pkgconfig"))

    def compile(self, name, *options):
        """With what pkg-config prints, as a shell would take it."""
        program = self.top / name
        run("sh", "-c", 'cc "$@" ' + self.described("--cflags", "--libs", *options).strip(), "sh", *FLAGS,
            *(["-static"] if options else []), "-o", program, HERE / "program.c")
        return program

    def test_pkg_config_finds_the_shared_library(self):
        program = self.compile("shared")
        self.assertIn("libevring.so.1", self.needed(program))
        self.assertEqual(run(program, LD_LIBRARY_PATH=str(self.libdir)), SAYS)
        self.assertEqual(self.described("--modversion").strip(), self.version)

    def test_pkg_config_knows_what_a_static_program_needs(self):
        self.assertIn("-pthread", self.described("--libs", "--static"))
        program = self.compile("static", "--static")
        self.assertNotIn("NEEDED", self.needed(program))
        self.assertEqual(run(program), SAYS)

    def configure(self, source, name, *options, code=0):
        return run("cmake", "-S", HERE / source, "-B", self.top / name, *options, code=code)

    def find_package(self, wanted, code=0):
        self.configure("cmake", "cmake" + wanted, "-DCMAKE_PREFIX_PATH=%s" % self.prefix, "-DWANTED=" + wanted, code=code)
        return self.top / ("cmake" + wanted)

    def test_cmake_finds_the_installed_package_shared_and_static(self):
        build = self.find_package("")
        run("cmake", "--build", build)
        self.assertIn("libevring.so.1", self.needed(build / "shared"))
        self.assertNotIn("libevring", self.needed(build / "static"))
        for name in ("shared", "static"):
            self.assertEqual(run(build / name), SAYS)

    def test_cmake_takes_the_same_minor_version_and_no_other(self):
        major, minor, _ = self.version.split(".")
        for wanted in ("%s.%s" % (major, minor), self.version, "%s.0...%s.999" % (major, major)):
            self.find_package(wanted)
        for wanted in ("%s.%d" % (major, int(minor) + 1), "%d.0" % (int(major) + 1), self.version + "99"):
            self.find_package(wanted, code=1)

    def test_cmake_says_what_is_missing_of_an_installation(self):
        library, away = self.libdir / "libevring.so.1", self.libdir / "away"
        library.rename(away)
        try:
            said = self.configure("cmake", "broken", "-DCMAKE_PREFIX_PATH=%s" % self.prefix, "-DWANTED=", code=1)
        finally:
            away.rename(library)
        self.assertRegex(" ".join(said.split()), "libevring.so.1 is not there")

    def fetch(self, name, *options):
        digest = hashlib.sha256(self.archive.read_bytes()).hexdigest()
        self.configure("fetch", name, "-DARCHIVE=%s" % self.archive, "-DARCHIVE_SHA256=" + digest, *options)
        run("cmake", "--build", self.top / name)
        program = self.top / name / "program"
        self.assertEqual(run(program), SAYS)
        return self.needed(program)

    def test_cmake_builds_the_fetched_archive_into_a_program_with_strict_warnings(self):
        self.assertNotIn("libevring", self.fetch("fetched"))

    def test_cmake_builds_the_fetched_archive_as_a_shared_library(self):
        self.assertIn("libevring.so.1", self.fetch("fetched-shared", "-DBUILD_SHARED_LIBS=ON"))

    def test_meson_takes_the_archive_by_its_wrap_and_builds_the_library_only(self):
        source, build = self.top / "meson", self.top / "meson" / "build"
        shutil.copytree(HERE / "meson", source)
        shutil.copy(HERE / "program.c", source)
        (source / "subprojects" / "packagefiles").mkdir(parents=True)
        shutil.copy(self.archive, source / "subprojects" / "packagefiles")
        shutil.copy(self.top / "release" / "evring.wrap", source / "subprojects")
        run("meson", "setup", "--wrap-mode=forcefallback", build, source)
        run("ninja", "-C", build)
        self.assertEqual(run(build / "program"), SAYS)
        made = sorted(path.name for path in (build / "subprojects").rglob("*")
                      if path.is_file() and not path.is_symlink() and (path.suffix in (".a", ".o", ".3", ".1", ".7") or os.access(path, os.X_OK)))
        self.assertEqual(made, [".._compat_event.c.o", "ev.c.o", "libevobjects.a", "libevring.a", "libevring.so.1.0.0"])


unittest.main(argv=sys.argv[:1])
