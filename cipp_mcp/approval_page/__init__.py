"""Approving a plan outside the model's reach: beside the client, never through it.

What is shown here comes from the stored plan; nothing that a model wrote after it may enter.
"""
