"""Loops for which NumPy has no call, compiled: threads that are in one do not wait for one another.

Loading the compiler takes half a second and 110 MiB, the first call on a machine five seconds more. So they are for
much work (`lists.COMPILED_FROM`); whoever calls them gets the same without them, to the bit, in more time.
"""
