# Completion for bash: commands and options are asked of the program, whose help comes from the tables that
# also parse them.
_thinkedit() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=
    if [ "$COMP_CWORD" = 1 ]; then
        words="$(thinkedit --help 2> /dev/null | sed -nE 's/^  ([a-z-]+) .*/\1/p') --help --version"
    elif [[ $word == -* ]]; then
        words="$(thinkedit "$command" --help 2> /dev/null | sed -nE 's/^  (-., )?(--[a-z-]+).*/\2/p') --help"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _thinkedit thinkedit
