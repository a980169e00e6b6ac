"""Training of the learned schedulers.

run            `edge6g train`: folder, progress, Ctrl-C and SIGTERM, resume
scorer         the candidate scorer: clipped policy gradient on the outcomes of decisions
ppo            maskable PPO of sb3-contrib with shared parameters
learner        a model between its checkpoints: made, loaded, saved
study          `edge6g study`: an algorithm on several training seeds
study_arms     what it trains; `study_cells`: as processes that go on where they stopped
study_evaluation  what was trained, and the rules, on the same unseen seeds; `study_results`: intervals; `study_report`: tables, page
study_curves   learning curves of several seeds with bands
tune           `edge6g tune`: values of the rules `static` and `restricted`
points         where its search starts, and what lies beside a point
descent        coordinate descent with races on paired seeds
callbacks      time budget, validation against the rules
checkpoint     safetensors and JSON, and the policies that they hold
curves         the learning curve as TensorBoard runs
learning_curve the same as a table and a picture in the run's folder
validation     policy and rules on the validation seeds
seeds          which worlds are trained on

No world is met twice: seeds of training have bit 61 set and hold training seed, run (the first, a resumed one, ...) and world, each in
bits of its own (`seeds.world_seed`); those of tuning (`seeds.TUNING_SEED` and up), validation (`seeds.VALIDATION_SEED` and up) and
evaluation (`eval.EVALUATION_SEED` and up) lie far below.
"""
