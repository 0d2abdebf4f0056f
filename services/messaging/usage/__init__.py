"""What Meta bills hotels for: counted from its own pricing objects, with a cap that is watched."""
