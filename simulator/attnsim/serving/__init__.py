"""Serving: requests in time, batched each iteration on a system of devices, from arrival to the last token.

An iteration costs what the task graph of its layers takes on the engine; see docs/serving.md.
"""
