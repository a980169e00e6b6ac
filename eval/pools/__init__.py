"""Whoever plays episodes: this process, processes beside it, or those of a Ray cluster.

flights      whole episodes of many policies on the same seeds, inside the kernel where a policy has a compiled form
pool         parts of work that are independent, the worlds of whoever plays them, and one thread of this process that does
workers      pools of processes: parts dealt out, those who die replaced
processes    workers of this machine, forked from a `server`; `ray_workers`: of a cluster
"""
