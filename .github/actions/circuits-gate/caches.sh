#!/usr/bin/env bash
# Name the caches, with whatever Python there is.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$(command -v python || command -v python3)
# Nothing but Python itself: neither PYTHONPATH nor what is installed has a say in it.
exec "$python" -B -E -s -S "$here/caches.py"
