"""``python -m polydoc_analytics``: the command line."""

from polydoc_analytics.cli import main

if __name__ == "__main__":
    main()
