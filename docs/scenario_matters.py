"""What decides in a scenario and what it is worth, in the words of whoever measured it, for `make_scenarios.py`: above the table of its
ablations. Figures are interquartile means of paired seeds [95 % interval], by the commands that stand beside them."""

MATTERS = {
    "finetune": """
**Where a job runs.** `edge6g usage --scenario finetune --policy greedy --seeds 20 --out runs/usage-finetune`:
of 11,373 decisions 54 % take a neighbour, 21 % the
cloud, 18 % the ingress, 3.4 % a cut between phone and server and 3.4 % the phone alone. Always `local` loses 0.18 [0.15, 0.22] of the
0.93 reward a job, the best route by service 0.05 [0.03, 0.09]; the best share on the phone by service (all of `notes`, and none else)
0.03 [0.02, 0.04]; one precision, int8, loses nothing. `static`, a plan by service with the route free, earns as much as `greedy`, and
so does `restricted`. What both leave is in fine-tuning: `greedy` expects 3.3 of a member of `defects` and gets 1.7, since answers,
other members and the ends of rounds come after the decision. Hardly ever taken: rejection (four jobs), half of the layers on the phone
(0.2 %), cuts of what may leave the phone uncut.

**Answers now or models later.** Without any fine-tuning `greedy` sends every question to the cloud, which takes 9 ms a token; with it
`manuals` rents the cloud a third of the time, two questions of three are answered at nodes, which tune as well, and take 59 ms. Answers
lose 0.011 [0.007, 0.015] of 0.867 by it and 3 % of them are late, while all jobs together gain 0.14 [0.13, 0.16]. `train_share` moves
one against the other: from 0 to 0.9 fine-tuning gets from 65 to 86 % of its steps and answers in time fall from 98 to 85 %; the reward
is flat, highest between 0.5 and 0.7 (first table).

**Rounds cost more than anything else here.** Members of a task that need not wait for each other get 90 % of their steps in place of 70
% (`aggregation`), worth 0.75 [0.55, 0.94] of 2.63 a job: one is on a phone that works for somebody else, another at a node where
answers came, and who is later than the timeout loses ten steps. No agent sees where the others of its task are; that they go where each
is as fast as the others is to be learned.

**Whether a cut pays depends on whose phone is free.** A lone member of `notes` (`lone_job`, int8, `participants` 1) takes 112 of its
120 s whole on the phone and is worth 2.69; with an eighth of the layers there and the others on the L4 of its cell it takes 57 s, sends
0.76 GB for 0.045 USD, and is worth 1.93. On a phone that has a second job the former takes twice as long. Where all of `notes` stays
whole on the phone it gets 3 points [1, 7] less of its steps, and the reward does not tell the difference (`U-shape`; `static` never
cuts and earns as much as `greedy`). `defects` may be cut too, and never should: its pictures are 8 MB, its activations 0.5 GB (a lone
member: 3.83 uncut, 3.53 cut), and no phone holds its model with what tuning adds. Nor does one hold that of `manuals`, whose data are
0.8 MB and which always goes to the cloud: 9 s and 0.008 USD there, 73 s and 0.015 USD on an L4, and no answer comes from the cloud in
those 9 s. A cut is for what may not leave the phone, or finds nobody else to compute it.

**The radio's share of the accelerators** (0.2 at full load of a cell) costs 0.014 [0.006, 0.021] of the reward and 5 points [2, 7] of
the progress of fine-tuning.

**What is not modelled.** Loss and convergence: a step is a step, whoever takes it and with how many others it is averaged. Only the
devices' parts of an adapter are averaged over the air; the servers' parts, a few MB, are averaged where they are, free of time and
bytes. The frozen encoder's time over `defects`' pictures is left out ([finetune](../finetune.md)).
""",
    "robotics": """
**The route, and little else.** `edge6g usage --scenario robotics --policy greedy --seeds 20 --out runs/usage-robotics`:
always `local`
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
    "rush": """
**What an answer costs the others.** `static` (a middle model of each family, the large one where it is the default, int8 or
int4, uncut) earns 0.880 [0.867, 0.895] on the 20 evaluation seeds, `greedy` 0.861 [0.836, 0.882]: it gives `quiz` and `notes`
larger models (0.908 and 0.922 a job in place of 0.839 and 0.857), and `code`, whose objectives of 0.5 s and 30 ms bear no
company, pays for them (0.637 in place of 0.857).

**Free decisions are worth 3.6 % over `static`.** `greedy` among int8 alone, every model but `qwen3-4b` and `qwen2.5-0.5b`,
earns 0.905 [0.887, 0.919], 0.021 [0.004, 0.038] more; with a price on loads, on waits and on what a sequence slows down (three
weights chosen by hand on training seeds) 0.909 [0.897, 0.921], 0.032 [0.014, 0.046] more: `python benchmarks/room.py --scenario rush
--generations 0 --rows benchmarks/rush_rows.json --start benchmarks/rush_weights.json --rules static,greedy`, for the former without
`--start`. What is missing for more is scarcity: the models of `static` nearly fit beside each other, and bursts of 20 s are long beside
loads of 2 to 4 s.
""",
    "shard": """
**Whether `review` is cut between two cards, and who makes way for it.** Interquartile means [95 % interval] over the 20 evaluation
seeds, by service means; `edge6g compare --scenario shard --policies greedy,restricted,static --seeds 20 --out runs/shard-rules`:

| policy | reward a job | `review` | `chat` | `code` |
|---|---|---|---|---|
| `restricted` | 0.788 [0.761, 0.809] | 0.574 | 0.934 | 0.788 |
| `greedy` | 0.714 [0.667, 0.757] | 0.389 | 0.934 | 0.736 |
| `static` | 0.628 [0.591, 0.668] | 0.093 | 0.934 | 0.770 |
| `greedy`, `--set 'actions.edge_split=[0.0]'` | 0.632 [0.606, 0.661] | 0.096 | 0.934 | 0.780 |

The choice by job among the values of `restricted` (no cut or 3/8 at the edge) earns 0.144 [0.108, 0.182] more than the best plan by
service, which finds no cut that serves every job of `review` and all but gives it up. Without an edge cut `review` runs by a part
of its layers on the phone and earns a sixth of that. A search of linear weights, with an agreement made beforehand that nodes 2 and
5, of which every other node has one for a neighbour, hold the last layers and do nothing else, earns 0.759 [0.730, 0.790], not more
than `restricted`: `python benchmarks/room.py --scenario shard --last review=2,5 --generations 3 --population 12 --episodes 5`.
`chat` goes to the cloud in every situation and decides nothing here.
""",
    "telemedicine": """
**Where a job runs.** `edge6g usage --scenario telemedicine --policy greedy --seeds 20 --out runs/usage-telemedicine`:
always `local` loses 0.19 [0.18, 0.21] of the
0.89 reward a job, the best route by service 0.13 [0.11, 0.14]. No layers on the phone lose 0.045 [0.041, 0.052] (the assistant's, whose
text has no other way). No cut at the edge earns 0.005 [0.002, 0.009] more than `greedy`, which cuts one job in six and drives out what
others have loaded. One precision and one model for all lose nothing.

**Free decisions cannot be worth 5 % over the best plan here.** `static` (cuts, precision and model by service, the route free) earns
0.898 [0.892, 0.904], 0.008 [0.004, 0.012] more than `greedy`, and as much as
`restricted`. Were every answer in time, at no cost and of the best quality that any
policy of the comparison got in its service, it would be 0.929: 3.5 % [3.1, 3.9] more (`jobs.csv.gz` of the comparison above). Pictures
(0.981 of 1), dictation (0.993 of 1) and charts (0.945 of 0.957) are nearly there: the load is a quarter of what the nodes compute at best
(`edge6g scenarios show telemedicine`), so a plan by service is seldom wrong. What is left, 0.586 of 0.694, is the assistant's long
prompts on a phone, and no choice of a node makes a phone faster. Missing for more is a load near what the nodes can do.

**The encoder on the phone moves nothing.** A lone picture question earns 0.979 at a node and 0.973 with half of the layers on the phone,
where each of its 120 tokens crosses the radio and the answer takes 10.3 s in place of 2.3; a lone dictation earns 0.997 and 0.935
(`lone_job`).

**The price of exposure acts like a switch.** Whatever is cut, at the phone or the ingress, exposure stays near 1, and it is 0 where
nothing is sent. With the price 2 % of the prompts of priced services is exposed to the cloud, without it 36 %, since jobs then go there
at all. It is paid for with 0.007 [0.001, 0.011] of the reward that does not count it. The classes and the price are policy, not
protection.

**The deadline is the dictation's.** A chat's objectives in its place leave 12 s for 100 tokens, and the cheapest way takes them: 93 % of
the windows come after 2 s, with the deadline 6 %.
""",
}
