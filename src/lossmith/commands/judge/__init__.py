"""`lossmith judge`: the verdict on results that are finished, whoever made them."""
