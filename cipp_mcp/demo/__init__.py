"""A CIPP in a box: the other side of the wire, with a token endpoint, a world and a ledger of what really happened.

This room imports no other room. It reads requests with its own hand, so that a test against it
proves something about what left the client and not merely that two halves of one encoder agree.
"""
