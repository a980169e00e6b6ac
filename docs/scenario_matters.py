"""What decides in a scenario and what it is worth, in the words of whoever measured it, for `make_scenarios.py`: above the table of its
ablations. Figures are interquartile means of paired seeds [95 % interval], by the commands that stand beside them."""

MATTERS = {
    "robotics": """ **The route, and little else.** `edge6g usage --scenario robotics --policy greedy --seeds 20`: always `local`
loses 0.51 [0.46, 0.57] of the 0.90 reward a job, the best route by service 0.31 [0.26, 0.36]: loops live on the RTX 4090s and L4s next
door, and who goes where depends on who else is there. One precision for all, int4, loses 0.01; no cut at the edge and no layer on the
robot lose nothing. The plan of `static` (int4 for loops, fp16 for plans, uncut, no drafts, the route free) earns 0.027 [0.018, 0.038]
more than `greedy`; drafts are 0.020 of that.

**The encoder on the robot moves nothing**: `greedy` and `static` never take it. A quarter of the layers there turns a picture of 50 kB
into 1.17 MB of activations, and a lone action takes 403 ms in place of 70 at the RTX 4090, 483 in place of 172 at the L4 (`lone_job`,
int4); 400 are allowed.

**Drafts pay for the planner and cost the loops.** A lone plan of 452 tokens at the L4, int4, is worth 0.760 drafted and 0.626 undrafted,
for 280 in place of 380 J and 41 % of the price, though it takes 12.6 s in place of 9.5, within its objectives. So `greedy` takes plans to
the nodes that it would send to the cloud otherwise, they stay long, and no utility tells what that costs the loops there: the planner
gains 0.004, all jobs together lose 0.020.

**The deadline decides who is late.** A chat's objectives in its place leave 2.6 s for one action: 64 % of the loops then miss their true
deadline, with it 25 %. No service here prices exposure. Pictures may not leave the plant but as activations: that is policy, not
protection ([exposure](../exposure.md)).
""",
    "shard": """
Whether `review` is served, by which pair of cards, and who makes way for it. Interquartile means over the 20 evaluation seeds,
`python benchmarks/room.py --scenario shard --last review=2,5 --generations 3 --population 12 --episodes 5`: nodes 2 and 5, of which every
other node has one for a neighbour, hold the last layers and do nothing else (an agreement made beforehand); the rest follows weights found
on training seeds. By service: means.

| policy | reward a job | searched less it | `review` | `chat` | `code` |
|---|---|---|---|---|---|
| searched, with the agreement | 0.742 | | 0.486 | 0.934 | 0.763 |
| the agreement, the rest by utility (`--generations 0`) | 0.724 | | 0.460 | 0.934 | 0.725 |
| `restricted` | 0.685 | 0.067 [0.022, 0.111] | 0.356 | 0.934 | 0.688 |
| `greedy` | 0.636 | 0.117 [0.078, 0.158] | 0.220 | 0.934 | 0.638 |
| `static` | 0.621 | 0.118 [0.097, 0.148] | −0.021 | 0.934 | 0.871 |
| `greedy` without edge cuts | 0.602 | 0.139 [0.113, 0.169] | −0.032 | 0.934 | 0.827 |

Without an edge cut `review` runs by a quarter of its layers on the phone, the rest on one card. The most that was found that way is 0.201 a
job of it and 0.691 in all, by taking no `review` that promises less than 0.1: 0.41 of what it gets with cuts. So of what the search is
above `static`, 0.07 is whom to refuse, which forecasts do not see, and 0.05 the cut and its agreement.
`python benchmarks/situations.py --scenario shard` shows what is chosen by load and by what is resident.
""",
    "telemedicine": """
**Where a job runs.** `edge6g usage --scenario telemedicine --policy greedy --seeds 20`: always `local` loses 0.22 [0.19, 0.26] of the
0.87 reward a job, the best route by service 0.14 [0.11, 0.18]. No layers on the phone lose 0.046 [0.033, 0.068] (the assistant's, whose
text has no other way). No cut at the edge earns 0.015 [0.006, 0.032] more than `greedy`, which cuts one job in six and drives out what
others have loaded. One precision and one model for all lose nothing.

**Free decisions cannot be worth 5 % over the best plan here.** `static` (cuts, precision and model by service, the route free) earns
0.898 [0.892, 0.904], 0.025 [0.012, 0.045] more than `greedy`. Were every answer in time, at no cost and of the best quality that any
policy of the comparison got in its service, it would be 0.929: 3.5 % [3.1, 3.9] more (`jobs.csv.gz` of the comparison above). Pictures
(0.981 of 1), dictation (0.993 of 1) and charts (0.945 of 0.957) are nearly there: the load is a quarter of what the nodes compute at best
(`edge6g scenarios show telemedicine`), so a plan by service is seldom wrong. What is left, 0.586 of 0.694, is the assistant's long
prompts on a phone, and no choice of a node makes a phone faster. Missing for more is a load near what the nodes can do.

**The encoder on the phone moves nothing.** A lone picture question earns 0.979 at a node and 0.973 with half of the layers on the phone,
where each of its 120 tokens crosses the radio and the answer takes 10.3 s in place of 2.3; a lone dictation earns 0.997 and 0.935
(`lone_job`).

**The price of exposure acts like a switch.** Whatever is cut, at the phone or the ingress, exposure stays near 1, and it is 0 where
nothing is sent. With the price 2 % of the prompts of priced services is exposed to the cloud, without it 36 %, since jobs then go there
at all. It is paid for with 0.018 [0.004, 0.032] of the reward that does not count it. The classes and the price are policy, not
protection.

**The deadline is the dictation's.** A chat's objectives in its place leave 12 s for 100 tokens, and the cheapest way takes them: 93 % of
the windows come after 2 s, with the deadline 7 %.
""",
}
