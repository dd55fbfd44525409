"""Classical methods, and volumes and foci from measurements."""
