"""A local Alibaba Cloud for the official SDKs: RAM, STS, DataWorks and the data behind them, on one loopback port."""
