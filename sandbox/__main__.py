"""`python -m sandbox`, which is `make run`: Ctrl-C ends it while its modules are still loading."""

import runpy
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
runpy.run_module("sandbox.up", run_name="__main__")
