"""What only the node itself can tell, and what of it others are told."""
