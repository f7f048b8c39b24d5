"""The command line: one command, one file. Renders errors, tables, JSON and YAML; decides nothing itself."""
