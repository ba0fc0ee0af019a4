"""The data plane of the local cloud: what a resource group reaches, and the engine that runs sync tasks."""
