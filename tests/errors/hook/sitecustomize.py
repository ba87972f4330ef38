"""Python imports this at its start where the folder is on PYTHONPATH."""

import os

if os.environ.get("SUGC_ERROR_SITES"):
    from noting import install

    install()
