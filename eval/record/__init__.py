"""`edge6g record`: an episode as it was played, and how to look at it.

recording   what is kept of an episode: frames, jobs with their legs, decisions, handovers, outages
run         the command: the same seed under each policy, and what is written of it
"""
