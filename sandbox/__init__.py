"""Everything to run the mesh on one machine; nothing here runs in production."""
