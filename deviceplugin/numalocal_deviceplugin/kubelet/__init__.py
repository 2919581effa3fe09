"""The half that the kubelet talks to: it registers pools, offers their sets and gives them out."""
