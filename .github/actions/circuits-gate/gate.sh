#!/usr/bin/env bash
# Run the gate, write the outputs, and end with the gate's exit status.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=.github/actions/circuits-gate/errors.sh
source "$here/errors.sh"

# each COMMAND TEXT: run the command on every line of the text that isn't empty.
each() {
    local line
    while IFS= read -r line || [[ -n $line ]]; do
        line=${line%$'\r'}
        # pytest would take white space for a name.
        line=${line#"${line%%[![:space:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        if [[ -n $line ]]; then "$1" "$line"; fi
    done <<<"$2"
}

arguments=()
argument() { arguments+=("$1"); }
model() { arguments+=("--circuits-model=$1"); }

if [[ ! $INPUT_REFERENCE =~ ^([A-Za-z0-9._-]+(=.+)?)?$ ]]; then
    usage "reference takes an alias of the suite's ini, or alias=source, and not: $INPUT_REFERENCE"
fi
if [[ -z $INPUT_SUITE ]]; then
    usage "suite is empty: name the suite's folder"
fi
# The artifact's paths are patterns, a line each.
patterns='*[]*?[!~'$'\n\r'']*'
# shellcheck disable=SC2053 # a pattern is meant
if [[ -z $INPUT_REPORT || $INPUT_REPORT == $patterns ]]; then
    usage "report takes a folder without * ? [ ] ! ~ in its name, and not: $INPUT_REPORT"
fi

# pytest finds a suite's ini by its path, and takes nothing that begins with a dash for one.
suite=$INPUT_SUITE
if [[ $suite == -* ]]; then suite=./$suite; fi

each argument "$INPUT_ARGS"
each model "$INPUT_REFERENCE"
each model "$INPUT_SOURCE"
if [[ -n $INPUT_GATE ]]; then argument "--circuits-gate=$INPUT_GATE"; fi

# An older report, of another gate of this job, must not be taken for this one's.
rm -f -- "$INPUT_REPORT/report.html" "$INPUT_REPORT/report.md" "$INPUT_REPORT/report.json"

# Where the suite or the arguments name a place for a single report, that place would win over the
# folder; what is typed last wins over both.
status=0
pytest --circuits ${arguments[@]+"${arguments[@]}"} \
    "--circuits-report=$INPUT_REPORT" \
    "--circuits-html=$INPUT_REPORT/report.html" \
    "--circuits-markdown=$INPUT_REPORT/report.md" \
    "--circuits-json=$INPUT_REPORT/report.json" \
    "$suite" || status=$?

python=$(command -v python || command -v python3)
"$python" -B -E -s -S "$here/verdict.py" "$status"
