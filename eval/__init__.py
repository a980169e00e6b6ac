"""Evaluation: what a policy's episodes mean, with what certainty, and how to look at it.

episodes    plays a policy, one episode a seed
compare     `edge6g compare`: several policies on the same seeds
usage       `edge6g usage`: which decisions a policy takes, and what each column of them is worth
metrics     the one definition of every metric, and the figures of one episode
statistics  interquartile means, bootstrap intervals, paired differences, the summary of a comparison
files       atomic writers, and the folder of a run
tensorboard scalars and hyperparameters for TensorBoard
report      PNG, HTML page and terminal table
"""

EVALUATION_SEED = 10_000_000  # seeds of evaluations are this and up, those of training below
