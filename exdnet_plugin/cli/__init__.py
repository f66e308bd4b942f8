"""The command line: one thin file a command. It knows everything and decides nothing."""
