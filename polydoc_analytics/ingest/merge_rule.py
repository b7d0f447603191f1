"""The merge rule as SQL: of the rows that were seen of one run, the first in this order holds."""

WINNER_ORDER = """
    (status <> 'Running') desc,
    finished_at desc nulls last,
    (status = 'Succeeded') desc,
    created_at desc,
    credits desc nulls last,
    output_tokens desc nulls last,
    input_tokens desc nulls last,
    output_file_id desc nulls last,
    account_id desc,
    target_language desc,
    input_file_id desc
"""
"""SQL: finished over Running, then the later finish, then Succeeded over Failed, then the greater, null lowest."""
