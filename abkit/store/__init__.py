"""What abkit keeps: experiments, assignments, observations and who changed what, in SQLite or PostgreSQL."""
