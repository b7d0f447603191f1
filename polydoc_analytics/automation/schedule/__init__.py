"""Reports that happen by themselves: when they are due, once per period, whatever breaks in between."""
