"""Policies: what decides for each job where it runs, where its model is cut and at what precision.

policy      the protocol that rules and networks share, and the registry of the rules
rules       one file a rule, one class each
parameters  numbers that a rule is set by
values      what rules were found to do best with: files, checks; of `static` and `restricted` how far an action is from it
learned     networks
"""
