"""Small engines: each runs a real one as it is told by its environment, and prints its rate."""
