"""Evaluation: what a policy's episodes mean, with what certainty, and how to look at it.

episodes    plays a policy, one episode a seed
pools       threads and processes that play episodes, for trainings and sweeps
stopping    SIGTERM and Ctrl-C as an orderly end
contenders  what stands in a list of policies: rules, files of values, checkpoints, patterns, code of one's own, names
own_identity  what decides the actions of code of one's own
frames      comparisons as tables of pandas, from Python
compare     `edge6g compare`: several policies on the same seeds
usage       `edge6g usage`: which decisions a policy takes, and what each column of them is worth
by_service  a column frozen to a constant, or to one a service
compare_all `edge6g compare` over several scenarios; `fitting`: who can play where; `matrix`: what comes out
sweep       `edge6g sweep`: policies over values of keys of a scenario
forecasts   what was predicted of jobs beside what came; `situations`: where a policy decides
watch       `edge6g watch`
kept        episodes that an interrupted run has played; `interrupted`: how it goes on
result_files  what policies earned on the evaluation seeds, as it ships with a scenario; `verify`: played again
room        where a policy stands between the best rule and the planner that knows the future
metrics     the one definition of every metric, and the figures of one episode
jobs        the record of every measured job
decisions   columns of the action table, and how often each value is taken
comparison  all that a report shows: figures by service, first tokens, decisions
statistics  interquartile means, bootstrap intervals, paired differences
groups      several trainings of one algorithm as one policy: intervals over training seeds and worlds
limits      limits on the mean cost of a job, beside what jobs cost
summary     the summary of a comparison: every policy, and its differences to the best rule
record      `edge6g record`: an episode as it was played, by job, node and decision
replay      the page that plays it
report      page, charts, tables for terminal, spreadsheet and LaTeX
tensorboard the comparison and hyperparameters for TensorBoard
files       atomic writers, and the folder of a run
provenance  what a run was made by
output      standard output and error that never stop a command
"""

EVALUATION_SEED = 10_000_000  # seeds of evaluations are this and up; what no training meets, see train.seeds
VALIDATION_SEED = 5_000_000  # and up: learning curves, choice of the checkpoint, of values, of the best rule


def evaluation_seeds(seeds: int, seed: int = 0) -> list[int]:
    """The seeds of an evaluation; no training sees them."""
    return [EVALUATION_SEED + seed + index for index in range(seeds)]
