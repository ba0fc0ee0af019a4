"""Migration: a data source that is opened with an AccessKey becomes one that is opened with a role, in place.

Stages, in this order; a run may stop after any:

- inventory (:mod:`tasks.migration.found`): which data sources hold an AccessKey, and which sync tasks use them;
- propose (:mod:`tasks.migration.proposal`): a specification for each, with the access its tasks need;
- prepare (:mod:`tasks.migration.preparing`): its role and grants, and a record of how it was opened;
- trial (:mod:`tasks.migration.trial`): a data source beside it in role mode, its connectivity, a canary run;
- switch (:mod:`tasks.migration.switching`): the original in role mode, same name, same id, and verified;
- watch (:mod:`tasks.migration.watching`): the next runs of its tasks;
- clean (:mod:`tasks.migration.removing`): what was temporary is gone; AccessKeys that nothing uses any more.

The cloud is the only state: temporary names, a tag on the role and the mode of the data source say how far it is.
"""
