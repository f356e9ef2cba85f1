"""``manage.py build``: a directory is packed, sent, built and followed. A client of the API like any other: it has no store."""
