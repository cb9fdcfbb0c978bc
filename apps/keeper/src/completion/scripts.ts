/** The hidden command behind the scripts. Takes the words so far; prints a candidate, a tab and a note per line. */
export const COMPLETE_WORD = '__complete';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

// Bash splits words at the characters of COMP_WORDBREAKS, among them `:`, `=` and `@`, and replaces only the last piece. So
// pieces that touch each other are joined again, and from each candidate the part is cut that the line has already, as
// bash-completion does it (`__reassemble_comp_words_by_ref`, `__ltrim_colon_completions`). What is inserted is quoted:
// bash would run `$(…)` of a name.
const BASH = `# bash completion of rbee-keeper
_rbee_keeper() {
  local line rest=$COMP_LINE piece word tail
  local -a words=()
  for piece in "\${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    if [[ \${#words[@]} -eq 0 || $rest == [[:blank:]]* ]]; then
      words+=("$piece")
    else
      words[\${#words[@]}-1]+=$piece
    fi
    rest=\${rest#*"$piece"}
  done
  word=\${words[\${#words[@]}-1]}
  tail=\${word##*["$COMP_WORDBREAKS"]}
  COMPREPLY=()
  while IFS= read -r line; do
    line=\${line%%$'\\t'*}
    [[ $line == "$word"* ]] && COMPREPLY+=("$(printf '%q' "\${line#"\${word%"$tail"}"}")")
  done < <("\${words[0]}" ${COMPLETE_WORD} "\${words[@]:1}" 2>/dev/null)
}
complete -F _rbee_keeper rbee-keeper rbee
`;

const ZSH = `#compdef rbee-keeper rbee
# zsh completion of rbee-keeper
_rbee_keeper() {
  local line
  local -a candidates
  for line in "\${(@f)$("\${words[1]}" ${COMPLETE_WORD} "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( \${#candidates} )) && _describe 'rbee-keeper' candidates
}
if [[ \${funcstack[1]} == _rbee_keeper ]]; then
  _rbee_keeper "$@"
else
  compdef _rbee_keeper rbee-keeper rbee
fi
`;

const FISH = `# fish completion of rbee-keeper
function __rbee_keeper_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    $words[1] ${COMPLETE_WORD} $words[2..] "$word" 2>/dev/null
end
complete -c rbee-keeper -f -a '(__rbee_keeper_complete)'
complete -c rbee -f -a '(__rbee_keeper_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** The completion script of a shell. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
