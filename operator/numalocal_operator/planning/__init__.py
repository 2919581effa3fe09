"""Pure planners: a worker and what is observed of it in; pods, steps and a status out."""
