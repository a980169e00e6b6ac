"""The log of requests of the hospital: made up, as no hospital's own may be shown. Notes of a ward: longish prompts, short answers.

    python examples/hospital/make_requests.py

Two hours, a busy one after a quiet one; lengths are log-normal. All numbers are judgement.
"""

from pathlib import Path

import numpy as np

HOUR_S = 3600.0


def main() -> None:
    """Writes requests.csv beside this file."""
    rng = np.random.default_rng(1)
    t_s = np.concatenate(
        [np.sort(rng.uniform(hour * HOUR_S, (hour + 1) * HOUR_S, jobs)) for hour, jobs in enumerate((400, 800))]
    )
    context_tokens = rng.lognormal(np.log(700.0), 0.8, t_s.size).clip(20, 6000).astype(int)
    generated_tokens = rng.lognormal(np.log(110.0), 0.6, t_s.size).clip(5, 900).astype(int)
    rows = zip(t_s, context_tokens, generated_tokens, strict=True)
    text = "t_s,context_tokens,generated_tokens\n" + "".join(f"{t:.2f},{c},{g}\n" for t, c, g in rows)
    Path(__file__).with_name("requests.csv").write_text(text)


if __name__ == "__main__":
    main()
