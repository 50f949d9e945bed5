"""Questions to the index: C-FIND, the worklist, and the objects that C-MOVE and C-GET send."""
