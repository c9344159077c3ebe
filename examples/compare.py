"""Compare losses from Python: which one removes JPEG artifacts best, on the sample photographs?"""

from pathlib import Path

import lossmith

if __name__ == "__main__":
    outcome = lossmith.compare(
        losses=["l2", "l1", "mix", "l1 + 0.1*tv"],
        seeds=1,
        recipe=lossmith.Recipe(degradation="jpeg(10)", steps=100, batch=8, patch=48),
        out=Path("runs/example"),
    )
    print(outcome)
