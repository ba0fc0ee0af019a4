"""Speed, measured: ``python -m benchmarks`` runs them all and compares with what must be reached.

Everything runs against a local cloud in a process of its own, at the published rates and with a fixed latency.
``docs/performance.md`` says what is measured and derives the floor of a run.
"""
