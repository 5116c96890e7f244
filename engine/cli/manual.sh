#!/bin/sh
# manual.sh THINKEDIT: its manual page, made of what its --help says, on standard output.
set -eu
program=$1
help=$("$program" --help)
commands=$(printf '%s\n' "$help" | sed -nE 's/^  ([a-z-]+) .*/\1/p')

# Help as paragraphs: "  NAMES   text" becomes a tagged one, an unindented line ending in ":" a heading.
paragraphs() {
    sed -e 's/\\/\\e/g' -e 's/-/\\-/g' | awk '
        /^[A-Z].*:$/ { sub(/:$/, ""); print ".PP\n" $0 ":"; next }
        /^  [^ ]/ { at = match($0, / [ ]+[^ ]/); line = $0; sub(/^  /, "", line)
                    n = index(line, "  "); print ".TP"
                    if (n) { text = substr(line, n); sub(/^ +/, "", text); print ".B \"" substr(line, 1, n - 1) "\"\n" text }
                    else print ".B \"" line "\""
                    next }
        /^ / { sub(/^ +/, ""); print; next }
        NF { print ".PP\n" $0 }'
}

printf '.TH THINKEDIT 1 "" "%s" "User Commands"\n' "$(printf '%s\n' "$help" | sed -nE '1s/ - .*//p')"
printf '.SH NAME\nthinkedit \\- edits pictures by instruction, and thinks aloud while it does\n'
printf '.SH SYNOPSIS\n.B thinkedit\n.I COMMAND\n[...]\n.SH COMMANDS\n'
printf '%s\n' "$help" | sed -n '/^  /p' | paragraphs
for command in $commands; do
    printf '.SH "%s"\n' "$(printf '%s' "$command" | tr 'a-z-' 'A-Z ')"
    "$program" "$command" --help | paragraphs
done
printf '.SH "EXIT STATUS"\n0 done, 1 failed, 2 bad usage, 130 cancelled.\n'
