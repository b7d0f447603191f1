"""A frozen Report from views, in each format."""
