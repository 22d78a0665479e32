"""What a night tells people."""
