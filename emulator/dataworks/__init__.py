"""DataWorks 2020-05-18 of the local cloud: workspaces, data sources, sync tasks, deployments, nodes and runs."""
