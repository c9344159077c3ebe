"""Random pairs of images of any shape, dtype, memory layout and contents."""

from hypothesis import strategies as st

from lossmith.soundness import Subject
from lossmith.soundness.cases import DTYPES, LAYOUTS, STEPS, TAME, THIN, WILD, Case, first_side


@st.composite
def cases(draw: st.DrawFn, subject: Subject, small: bool = False) -> Case:
    """Cases for a loss; `small` ones have sides near the least."""
    step, first = 2 if subject.odd else 1, first_side(subject.min_side, subject.odd)
    height, width = (first + step * draw(st.sampled_from(STEPS)) for _ in range(2))
    thin = draw(st.sampled_from([None, None, None, None, "high", "wide"]))
    if thin and not small:
        height, width = (first + THIN, first) if thin == "high" else (first, first + THIN)
    dtype = draw(st.sampled_from(DTYPES))
    other = draw(st.sampled_from([dtype, dtype, dtype, *DTYPES]))
    return Case(
        (draw(st.integers(1, 2 if small else 4)), draw(st.sampled_from(subject.channels)), height, width),
        draw(st.sampled_from([*TAME, *WILD])),
        (dtype, other),
        (draw(st.sampled_from([*LAYOUTS])), draw(st.sampled_from([*LAYOUTS]))),
        draw(st.integers(0, 9999)),
        draw(st.sampled_from([False, False, False, True])),
    )
