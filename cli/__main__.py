"""`python -m cli`: Ctrl-C ends it without a word while its modules are still loading."""

import runpy
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
runpy.run_module("cli.command", run_name="__main__")
