"""Managing by activity: scorecard, funnel, targets, coaching, ramp, leads, dark accounts, over one Book of tables."""
