"""The half that the container runtime talks to: it binds each container at its creation."""
