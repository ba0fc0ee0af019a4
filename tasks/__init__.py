"""The five steps as Prefect tasks, one file a step.

0 ``workspace`` (read only) → 1 ``role`` → 2 ``pass_role`` → 3 ``data_source``, ``connectivity`` →
4 ``sync_task`` → 5 ``run``. Every step looks up, compares, changes only the difference and verifies.
"""
