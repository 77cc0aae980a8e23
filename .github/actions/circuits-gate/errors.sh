# shellcheck shell=bash
# What a script of this action says when it can't go on.

# usage MESSAGE: an annotation on the run, and the exit status of a usage error.
usage() {
    local message=${1//%/%25}
    message=${message//$'\r'/%0D}
    # A line break would end the annotation, and what follows could be read as a command.
    echo "::error title=circuits-gate::${message//$'\n'/%0A}"
    exit 2
}
