"""What the Python tests share: one closing line like the C harness, and how to repeat a failure."""
import sys
import unittest


def name_of(test):
    """Of a test, of a part of a test, or of a set-up that failed."""
    return getattr(getattr(test, "test_case", test), "_testMethodName", str(test))


def main(module="__main__"):
    """Runs the tests of a module. Arguments: parts of test names; -v shows each test."""
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    loader = unittest.TestLoader()
    loader.testNamePatterns = ["*%s*" % word for word in wanted] or None
    suite = loader.loadTestsFromModule(sys.modules[module])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2 if "-v" in sys.argv else 1).run(suite)
    failed = result.failures + result.errors + [(test, "") for test in result.unexpectedSuccesses]
    for test in {name_of(test) for test, _ in failed}:
        print("repeat with: %s %s %s" % (sys.executable, sys.argv[0], test))
    for test in result.unexpectedSuccesses:
        print("%s passes, but is in the list of those known to fail" % name_of(test))
    skipped = result.skipped + [(test, "known to fail") for test, _ in result.expectedFailures]
    for test, reason in skipped:
        print("skipped %s: %s" % (name_of(test), reason))
    print("%d run, %d failed, %d skipped" % (result.testsRun - len(skipped), len(failed), len(skipped)))
    sys.exit(1 if failed or not result.testsRun else 0)
