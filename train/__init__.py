"""Training of the learned schedulers.

run         `edge6g train`: folder, progress, learning curves, Ctrl-C, resume
scorer      the candidate scorer: clipped policy gradient on the outcomes of decisions
ppo         maskable PPO of sb3-contrib with shared parameters
callbacks   time budget, validation against the rules, progress
checkpoint  safetensors and JSON, and the policies that they hold
"""

# Seeds: training below, validation (learning curves, choice of the checkpoint) from here, evaluation from eval.EVALUATION_SEED.
VALIDATION_SEED = 5_000_000
TRAINING_SEEDS = 1_000  # worlds of training seed s are s * TRAINING_SEEDS and up
