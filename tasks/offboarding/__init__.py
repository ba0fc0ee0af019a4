"""Taking data sources back: everything that onboarding made for them, and nothing that anybody else uses.

The steps, in their order: 1 sync task (developer), 2 data source (creator), 3 PassRole and 4 RAM role (administrator),
5 workflow and folders (developer). Each reads, compares, and changes only what is there; what was done is found in the
cloud, so that an interrupted offboarding is started again. Data is never touched: no bucket, table, Logstore or object.
"""
