"""The kinds that the operator reconciles: a module or folder each, and what several share.

A kind's module has a function from a `Context` to a `KindController`, the functions that return
which of its objects a change concerns, and its plan, which is pure.
"""
