"""Training of the learned schedulers.

run            `edge6g train`: folder, progress, Ctrl-C and SIGTERM, resume
setup          what a training is given; `trainers`: the algorithms by name
search         direct search of a linear part; `evolution`: its CMA-ES, `spreads`: how far it steps at first
scorer         the candidate scorer: a search, then `stages` B and C
ppo, mappo     on Stable-Baselines3's classes; `decided`, `shortlisted`: decisions alone, candidates as actions
worlds         scenarios and settings that are drawn anew; `limits`: of what a job may cost
learner        a model between its checkpoints: made, loaded, saved
callbacks      time budget, validation against the rules
checkpoint     safetensors and JSON, and the policies that they hold
curves         the learning curve as TensorBoard runs; `learning_curve`: the same as a table and a picture in the run's folder
validation     policy and rules on the validation seeds
seeds          which worlds are trained on

studies        `edge6g study`: an algorithm on several training seeds
tuning         `edge6g tune`: values of the rules

No world is met twice: seeds of training have bit 61 set and hold training seed, run (the first, a resumed one, ...) and world, each in
bits of its own (`seeds.world_seed`); those of tuning (`seeds.TUNING_SEED` and up), validation (`seeds.VALIDATION_SEED` and up) and
evaluation (`eval.EVALUATION_SEED` and up) lie far below.
"""
