"""The engines that answer: DuckDB in this process, or a cluster over Spark Connect; one base view by hand for each."""
