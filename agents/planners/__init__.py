"""Planners: policies that are handed the worlds and try the choices of a decision in copies of them.

planner  the two of them, `rollout` and `clairvoyant`
choices  which actions of a decision are tried, and which decisions are worth it
options  what can be set, and how it is written in a list of policies
"""
