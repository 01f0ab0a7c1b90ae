"""Arrays in, frozen results out: lag designs, panel regressions, honest small-sample inference."""
