"""How a machine is cut into CPU sets, and which of them one container gets."""
