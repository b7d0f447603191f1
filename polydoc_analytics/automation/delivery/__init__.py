"""How something that was made reaches those who wait for it, at least once, and what they answered."""
