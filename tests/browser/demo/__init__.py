"""A small cluster that looks like one in use, for pictures and for tests of every page: the namespace `shop`."""
