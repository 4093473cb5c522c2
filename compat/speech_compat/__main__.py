"""``python -m speech_compat`` runs the command ``speech-compat``."""

import sys

from speech_compat.cli import main

if __name__ == "__main__":
    sys.exit(main())
