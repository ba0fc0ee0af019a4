"""DataWorks 2020-05-18: workspaces, data sources, sync tasks (files), deployments, runs.

Each module holds the objects of its part and the calls that read and change them. Reads return None for what does
not exist; changes resolve lost answers by looking. The caller names the persona whose identity makes the call.
"""
