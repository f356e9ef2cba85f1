"""What can go wrong between us and an ACME server.

AcmeError        what the server said or why it cannot be reached, in a sentence for people
└── OrderGone    the order that was under way is of no use any more: a new one may do better
"""

from __future__ import annotations


class AcmeError(Exception):
    pass


class OrderGone(AcmeError):
    pass
