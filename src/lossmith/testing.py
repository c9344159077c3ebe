"""The checks of `lossmith check-loss`, for test suites."""
