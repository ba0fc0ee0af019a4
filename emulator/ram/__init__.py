"""RAM of the local cloud: roles, policies and their versions, attachments, users and groups, tags."""
