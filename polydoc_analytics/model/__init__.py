"""The Run and what its fields mean: schema, languages, time zones, periods. Pure values, no input or output."""
