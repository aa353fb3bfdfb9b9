"""The command line: options, environment, exit codes. The only room that knows typer."""
