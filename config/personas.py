"""The four people of an onboarding.

Source: vendor page "Use the RAM role-based authorization mode to add a data source".
"""

from __future__ import annotations

from enum import Enum


class Persona(str, Enum):
    """Who may do, and therefore who can repair, a step.

    - ``ADMINISTRATOR`` steps 1 and 2: creates the role with its trust and access policies in RAM, creates the
      PassRole policy and grants it to users or groups. Needs RAM administration rights.
    - ``CREATOR`` step 3: adds the data source to the workspace and tests its connectivity. Needs PassRole on
      the role and the workspace role Workspace Administrator or O&M.
    - ``DEVELOPER`` step 4: writes, submits and deploys the sync task. Needs the workspace role Development.
    - ``EXECUTOR`` step 5: runs the sync task. Needs PassRole on the role: DataWorks checks it at every run.
    """

    ADMINISTRATOR = "administrator"
    CREATOR = "creator"
    DEVELOPER = "developer"
    EXECUTOR = "executor"
