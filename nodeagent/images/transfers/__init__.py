"""Images under way: pulled, loaded, pushed, saved. Everything that needs the wire and the disk at once."""
