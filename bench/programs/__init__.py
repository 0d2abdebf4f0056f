"""Processes that the bench starts beside the mesh: ceilings to compare with, and callers.

Each prints a JSON line when it is ready and ends when its standard input does.
"""
