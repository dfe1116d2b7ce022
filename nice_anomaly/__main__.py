"""``python -m nice_anomaly`` is the command."""

from nice_anomaly.cli import main

main()
