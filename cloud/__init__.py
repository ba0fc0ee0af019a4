"""The three APIs (RAM, STS, DataWorks) behind one gate: identities, rates, retries, errors, waiting.

Import from the modules; nothing heavy is imported here.
"""
