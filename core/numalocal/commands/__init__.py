"""What each command does: one module each, `main(arguments)` gives the exit status."""
