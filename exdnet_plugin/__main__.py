"""`python -m exdnet_plugin` is `exdnet`, for where its script is not on the path."""

from exdnet_plugin.cli.main import main

main()
