"""A page on which a learner sees every number of a small run of truncated back-propagation through time."""
