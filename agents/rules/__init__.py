"""The rules, one file each; `agents.policy` finds them. A rule sees what an agent sees, no more."""
