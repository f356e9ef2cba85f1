"""What can go wrong with the registry.

RegistryError
├── BadScope          a request to the token service that cannot be read
├── Denied            who asks may not do that with that repository; the message names it
├── BadFragment       config.yml's extension by the user cannot be used
├── NoSuchTag         a tag or manifest that a repository does not have
└── Busy              somebody is pushing, or another collection is going on
"""

from __future__ import annotations


class RegistryError(Exception):
    """The text is for people."""


class BadScope(RegistryError):
    pass


class Denied(RegistryError):
    pass


class BadFragment(RegistryError):
    pass


class NoSuchTag(RegistryError):
    pass


class Busy(RegistryError):
    pass
