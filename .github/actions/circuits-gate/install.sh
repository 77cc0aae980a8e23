#!/usr/bin/env bash
# Install the pytest-circuits that this action belongs to, with the versions it was tested with:
# who pins the action has pinned the tool.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=.github/actions/circuits-gate/errors.sh
source "$here/errors.sh"

root=$(cd "$here/../../.." && pwd)
extras=${INPUT_EXTRAS//[[:space:]]/}
name='[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?'
if [[ -n $extras && ! $extras =~ ^$name(,$name)*$ ]]; then
    usage "extras takes names with commas between them, as in gguf, and not: $INPUT_EXTRAS"
fi
python -m pip install --disable-pip-version-check -c "$root/constraints.txt" \
    "$root${extras:+[$extras]}"
