"""What a process keeps in memory of another service's data, the same for all who need it.

Each copy follows its owner by version (`meshkit.watch`) and goes on serving while that is away.
"""
