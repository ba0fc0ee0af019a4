"""The audit: what is in a workspace or an account is read once, and everything that is not as it should be is told.

Reading and judging are apart: :mod:`tasks.audit.account` reads, by listings; the modules of rules are functions of
what was read; :mod:`tasks.audit.audit` puts them together. Nothing is written.
"""
