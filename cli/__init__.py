"""The `conserje` command: asks the processes over gRPC and their operations ports.

It imports the wire and the plumbing only, so it works in every image. Where the sandbox is
installed, `sandbox.commands` adds the commands that run things.
"""
