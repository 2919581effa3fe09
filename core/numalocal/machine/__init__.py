"""What this machine is: kernel files in, one frozen Machine out."""
