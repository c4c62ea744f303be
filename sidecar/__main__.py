"""``python -m sidecar`` is the command ``classroom-sfu``."""

import gc
import sys

if __name__ == "__main__":
    # What the start makes stays; `app` switches the collector on when all of it is there.
    gc.disable()

    from sidecar.cli import main

    sys.exit(main())
