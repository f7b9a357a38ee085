"""What a student does about learning with and without labels; the tab is made of these."""
