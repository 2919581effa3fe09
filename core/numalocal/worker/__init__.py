"""What a worker asks for: the document read, and the job of its engine."""
