"""What a person writes: the specification of one data source, the settings, and the facts both rest on.

Modules (import the one you need; this package re-exports nothing, so importing it stays cheap):

- ``limits``        quotas, formats and request rates of RAM, STS and DataWorks
- ``codes``         error codes of the three products: what they mean, who can help and how
- ``personas``      who does which step
- ``names``         naming rules and derived names
- ``sources``       one module per source type; ``counterparts`` the other side of a sync task
- ``spec``          ``DataSourceSpec``, the specification; ``schedule`` and ``task_content`` its parts
- ``load``          reading a specification from YAML or parameters, and its error tree
- ``settings``      endpoints, waiting times, identities

This room imports no SDK and does no network I/O.
"""
