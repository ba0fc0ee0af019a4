"""Adoption: what exists in the cloud, whoever made it, becomes specifications whose plan has no changes.

Reading (:mod:`tasks.adopting.found`), understanding (:mod:`tasks.adopting.location` and its neighbours, functions of
what was read) and writing down are apart. The cloud stays as it is, unless tags are asked for.
"""
