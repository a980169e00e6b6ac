"""The places that a job meets on its way, a module each: device, air, node, link, cloud.

Each holds all that happens there, under the same names: `refuse` says why an action may not use the place; `begin` starts a job's leg
there and `advance` goes on with it; `pass_s` and `pay_passes` are the place's share of each pass; `forecast` adds what an agent expects
of it; `give_up` takes back what a job holds. `begin` and `advance` return UNDER_WAY, OVER or LOST: what follows is no matter of a place.
"""
