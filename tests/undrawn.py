"""Pictures of one pixel: drawing takes longer than everything else, and what is drawn is looked at in tests/eval and tests/docs."""

import io

import pytest


def leave_undrawn(patch: pytest.MonkeyPatch) -> None:
    """Have matplotlib write a white pixel in place of any figure."""
    from matplotlib.figure import Figure  # half a second that most tests need not wait for
    from PIL import Image

    image = io.BytesIO()
    Image.new("RGB", (1, 1)).save(image, "png")
    patch.setattr(Figure, "savefig", lambda _, file, **__: file.write(image.getvalue()))
