"""The work on a machine without a cluster: place, bind, start, look, judge."""
