"""What watches the runs: rules, what they found before, and who hears when that changes."""
