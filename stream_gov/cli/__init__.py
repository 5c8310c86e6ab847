"""The `stream-gov` command: each subcommand parses, calls the library, and prints."""
