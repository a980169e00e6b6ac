"""How `scorer` learns: stage B, a clipped policy gradient with team credit, and stage C, labels of contested decisions.

gradient   stage B: the network, learned from whole episodes; `team`: what they are played and reduced by
credit     what a decision is credited with: its own job and those of others
advantage  stage C: expected advantage under a bound of the change; `labels`: of which decisions; `branches`: by what they are played
"""
