#!/bin/sh
# catalogues.sh SOURCE_DIR: every catalogue in ui/po has every text that a person can see, none marked as
# fuzzy, none left over, and formats that fit. The texts are those in _() and N_() of the panel and the
# plug-in, and what the panel shows of the engine's table of options.
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Summaries and choices of the table, as if they stood in _().
sed -n '/^static const char \*const strategies/,/^};/p' engine/options.c | grep -o '"[^"]*"' |
    grep -vE '^"(seed|strategy|schedule|(text|image|instruction)-[a-z]*|schedule-pow|the same seed.*)"$' |
    sed 's/.*/_(&)/' > "$work/options.c"
xgettext --from-code=UTF-8 -L C -k_ -kN_ -kg_dngettext:2,3 --force-po -o "$work/all.pot" \
    ui/*.c plugin/*.c "$work/options.c"

status=0
languages=0
for catalogue in ui/po/*.po; do
    languages=$((languages + 1))
    msgfmt --check -o /dev/null "$catalogue" || status=1
    msgcmp "$catalogue" "$work/all.pot" || status=1
    # what nobody shows any more
    msgmerge -q -N -o "$work/merged.po" "$catalogue" "$work/all.pot"
    if grep -A 1 '^#~ msgid' "$work/merged.po"; then
        echo "$catalogue: the texts above are not in the program any more"
        status=1
    fi
done
[ "$languages" -ge 2 ] || { echo "there are $languages catalogues"; status=1; }
exit $status
