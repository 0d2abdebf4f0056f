"""Plumbing shared by every process of the mesh. It knows no hotel."""
