"""`edge6g record`: an episode as it was played, and how to look at it.

recording   what is kept of an episode: frames, jobs with their legs, decisions, handovers, outages
play        plays and records one
jobs        jobs.csv.gz: the time of each job by leg and wait
trace       trace.json, for viewers of the Trace Event format
lines       nodes.png: where the time to first token goes, time lines of nodes
gif         frames of the drawing of `render_mode`
run         the command: the same seed under each policy, and what is written of it
different   the seed of a comparison that is worth a look
"""
