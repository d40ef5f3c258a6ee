"""What is done to a whole tenant: put on another plan, deleted, restored, gone."""
