"""unittests.py FILE: runs the unittest cases that FILE lists, one id a line,
in one process and in that order. Tells on standard output, behind a marker
that no case prints, when a case begins and how it ended:

    @case begin ID
    @case ok|fail|skip ID
    @case done

What a case itself prints, and the traceback of one that fails, stands in
between. A process that does not print "done" has not come to its end.
"""
import faulthandler
import os
import sys
import traceback
import unittest

from test import support


class Told(unittest.TestResult):
    """Tells each case's begin and end."""

    def __init__(self, stream):
        super().__init__()
        self.told = stream
        self.verdict = None

    def tell(self, *words):
        sys.stdout.flush()
        self.told.write("\n@case " + " ".join(words) + "\n")
        self.told.flush()

    def startTest(self, case):
        super().startTest(case)
        self.verdict = "ok"
        self.tell("begin", case.id())

    def stopTest(self, case):
        super().stopTest(case)
        self.tell(self.verdict, case.id())

    def failed(self, error):
        self.verdict = "fail"
        traceback.print_exception(*error, file=self.told)

    # A fixture of a class or module fails with a holder in the case's place,
    # which has no begin: its cases are never told.
    def addError(self, case, error):
        super().addError(case, error)
        self.failed(error)

    def addFailure(self, case, error):
        super().addFailure(case, error)
        self.failed(error)

    def addSubTest(self, case, part, error):
        super().addSubTest(case, part, error)
        if error is not None:
            self.failed(error)

    def addUnexpectedSuccess(self, case):
        super().addUnexpectedSuccess(case)
        self.verdict = "fail"

    def addSkip(self, case, reason):
        super().addSkip(case, reason)
        if self.verdict == "ok":
            self.verdict = "skip"
        self.told.write("skipped: " + reason + "\n")


def main():
    faulthandler.enable()
    support.use_resources = ["network"]
    support.verbose = 0
    with open(sys.argv[1]) as f:
        names = ["test." + line.strip() for line in f]
    # Cases may put something else in standard output's place.
    result = Told(os.fdopen(os.dup(1), "w"))
    unittest.defaultTestLoader.loadTestsFromNames(names).run(result)
    result.tell("done")
    # Threads that cases left behind must not keep the process.
    os._exit(0)


main()
