"""How fast the mesh is, as ratios against ceilings: `python -m bench`, explained in README.md."""
