"""This package: every rule, faults put aside with their reasons, every row accounted for, languages recognised."""

from answers import COLUMNS, RATES, answered, called, stored

import polydoc_analytics as pda

if __name__ == "__main__":
    source, destination = called()
    pda.export(source, destination)
    stored()
    measures = ", ".join((*COLUMNS, *RATES))
    with pda.connect(destination) as db:
        answered(
            by_account=db.sql(f"select account_id, {measures} from usage_by_account").to_dicts(),
            by_language=db.sql(f"select language, {measures} from usage_by_language").to_dicts(),
        )
