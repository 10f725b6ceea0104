"""Runs the notebook that comes in on standard input and writes it, with its outputs, to standard output.

Its argument is the number of seconds that a cell may take. This is all that happens inside the sandbox. A cell that
fails or takes too long does not stop the others.
"""

import os
import sys
import tempfile

import nbformat
from nbgrader.preprocessors import Execute


def main():
    notebook = nbformat.reads(sys.stdin.read(), as_version=4)
    answer = os.fdopen(os.dup(1), "w")  # the notebook goes here; what else is printed, to standard error
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        run = Execute(timeout=int(sys.argv[1]), iopub_timeout=60)  # the second one for a busy machine
        run.preprocess(notebook, {"metadata": {"path": folder}})
    answer.write(nbformat.writes(notebook))
    answer.close()


if __name__ == "__main__":
    main()
