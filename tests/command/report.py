"""What the Python tests share: one closing line like the C harness, and how to repeat a failure."""
import sys
import unittest


def main(module="__main__"):
    """Runs the tests of a module. Arguments: parts of test names; -v shows each test."""
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    loader = unittest.TestLoader()
    loader.testNamePatterns = ["*%s*" % word for word in wanted] or None
    suite = loader.loadTestsFromModule(sys.modules[module])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2 if "-v" in sys.argv else 1).run(suite)
    failed = result.failures + result.errors
    for test, _ in failed:
        print("repeat with: %s %s %s" % (sys.executable, sys.argv[0], getattr(test, "_testMethodName", test)))
    for test, reason in result.skipped:
        print("skipped %s: %s" % (getattr(test, "_testMethodName", test), reason))
    print("%d run, %d failed, %d skipped" % (result.testsRun - len(result.skipped), len(failed), len(result.skipped)))
    sys.exit(1 if failed or not result.testsRun else 0)
