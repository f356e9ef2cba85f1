"""One layer's way from a tar into a directory: read as if hostile, by a process of its own that is shut into that directory."""
