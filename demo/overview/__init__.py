"""What a student does on the overview."""
