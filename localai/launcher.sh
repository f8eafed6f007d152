#!/bin/sh
# The command `localai`: a folder as stdin would end the interpreter with 1 before a line of ours
# runs, and 1 is what `--test` says for "no".
if [ -d /dev/stdin ]; then
    echo 'localai: stdin is a folder' >&2
    echo '  next: give a file, or < /dev/null' >&2
    exit 2
fi
case $0 in */*) here=$0 ;; *) here=$(command -v -- "$0") ;; esac
[ -e "${here%/*}/localai-python" ] || here=$(readlink -f -- "$here") # a link from elsewhere
exec "${here%/*}/localai-python" "$@"
