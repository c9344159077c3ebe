"""What the models that come with lossmith are for; without PyTorch, for the help of the command line."""

from typing import Literal

Task = Literal["jpeg", "denoise", "x2", "x4"]
"""What a restorer undoes: JPEG compression, noise, or a reduction to half or a quarter of the size."""
Character = Literal["faithful", "sharp"]
"""What it was trained for: the least error, or the look of a sharp photograph."""

PURPOSES: dict[Task, str] = {
    "jpeg": "removes what JPEG compression left",
    "denoise": "removes noise",
    "x2": "enlarges twice",
    "x4": "enlarges four times",
}
"""The tasks, as what `lossmith models` says of them."""
