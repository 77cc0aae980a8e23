#!/usr/bin/env bash
# Comment, with whatever Python there is.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$(command -v python || command -v python3)
exec "$python" -B -E -s -S "$here/comment.py"
