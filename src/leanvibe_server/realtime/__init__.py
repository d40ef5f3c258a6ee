"""Live updates: what happens to a task, told to those who watch it, without loss."""
