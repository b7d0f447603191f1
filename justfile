messages := "polydoc_analytics/reports/messages"

# List the recipes.
default:
    @just --list

# The usage of the sample, and a report on it.
demo:
    polydoc-analytics usage data/sample_runs.ndjson --period 2026-10
    polydoc-analytics report data/sample_runs.ndjson --period 2026-10 --out build/demo

# The tests, or those that the arguments choose, and the ten slowest.
test *arguments:
    pytest --durations 10 {{ arguments }}

# Every test in its long form, and the long checks: more kills, writers, seeds and days than `just test` has.
soak *arguments:
    pytest -m 'slow or not slow' --durations 10 {{ arguments }}

# All that tests ask of a cluster, on Apache Spark: the folder of its pyspark is in POLYDOC_TEST_SPARK_HOME.
spark *arguments:
    pytest -n 0 -k apache_spark --durations 10 {{ arguments }}

# Style, types and the import contract.
lint:
    ruff check
    ruff format --check
    mypy
    lint-imports

# Extract the messages of statements, and bring them into the catalogs of some languages or all, where translators go on.
messages *languages:
    python -m babel.messages.frontend extract --mapping-file babel.cfg --keywords say --no-location --sort-output --omit-header --no-wrap --output {{ messages }}/statement.pot polydoc_analytics/reports polydoc_analytics/automation
    python tests/support/message_catalogs.py {{ languages }}

# Measure speed, on a million runs unless another number is given.
bench runs="1000000":
    python benchmarks/run.py --runs {{ runs }}

# Write the generated pages and build the documentation in site/.
docs:
    python docs/generate.py
    zensical build --clean --strict

# Write the tables of the names of languages anew, from the installed language_data.
languages:
    python tests/support/language_tables.py

# Install the package plain and with each extra, and do each part's main job.
installs *parts:
    python .ci/installs.py {{ parts }}

# The core tests with the lowest declared versions of all packages.
lowest *arguments:
    bash .ci/lowest {{ arguments }}

# Change single places of the code that matters most, and print the changes that no test notices.
mutants *subjects:
    python tests/support/mutants.py {{ subjects }}

# Build the source distribution and the wheel in dist/, and check both.
release:
    python -m pip install --quiet build twine
    python -m build --outdir dist
    python -m twine check --strict dist/*
