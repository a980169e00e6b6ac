"""Draw the frame on docs/looking.md: `campus` under `greedy`, 45 s into the first episode that `edge6g compare` plays.

python docs/make_looking.py
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

from PIL import Image

from agents.policy import make_rule
from edge6g_env import load_scenario
from edge6g_env._files import write_bytes_atomic
from edge6g_env.render.style import palette
from eval import EVALUATION_SEED
from eval.watch import frames

OUT = Path(__file__).parent / "looking" / "campus.png"
AT_S = 45.0


def main() -> None:
    """Play up to the frame and write it."""
    drawn = frames("greedy", partial(make_rule, "greedy"), load_scenario("campus"), EVALUATION_SEED, every_s=AT_S)
    next(drawn)
    content = io.BytesIO()
    picture = Image.fromarray(next(drawn)).quantize(palette=palette(), dither=Image.Dither.NONE)
    picture.save(content, "PNG", optimize=True)
    OUT.parent.mkdir(exist_ok=True)
    write_bytes_atomic(OUT, content.getvalue())
    print(OUT)


if __name__ == "__main__":
    main()
