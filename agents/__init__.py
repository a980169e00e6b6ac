"""Policies: what decides for each job where it runs, where its model is cut and at what precision.

policy   the protocol that rules and networks share, and the registry of the rules
rules    one file a rule, one class each
values   what `static` and `restricted` take: files, checks, how far an action is from them
learned  networks
"""
