"""PySpark says at each import that it does not yet know the present pandas, which nothing here asks it for."""

from __future__ import annotations

import warnings


def suppress_pyspark_notice() -> None:
    """Keep that notice from the user; to be called before what imports pyspark, as pandera does where it is there."""
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
