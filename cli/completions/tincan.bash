# bash completion for tincan(1)

# _tincan_words: sets places to the words that are no options; the first is the command.
_tincan_words() {
  local place
  places=()
  for ((place = 1; place < COMP_CWORD; place++)); do
    case ${COMP_WORDS[place]} in
      --timeout | --server-uid) ((++place)) ;;
      -*) ;;
      *) places+=("${COMP_WORDS[place]}") ;;
    esac
  done
}

# _tincan_methods CURRENT: the methods of the server of `tincan call`. Only a socket that is there
# is asked: an exec: address would start a program.
_tincan_methods() {
  local current=$1 places
  _tincan_words
  [[ ${#places[@]} == 2 && -S ${places[1]} ]] || return 1
  local methods
  methods=$("${COMP_WORDS[0]}" call "${places[1]}" tincan.methods --timeout 300ms 2>/dev/null)
  mapfile -t COMPREPLY < <(compgen -W "$methods" -- "$current")
}

# _tincan_program MARK: completes the command line that stands after the "--" at MARK.
_tincan_program() {
  local mark=$1
  COMP_WORDS=("${COMP_WORDS[@]:mark+1}")
  ((COMP_CWORD -= mark + 1))
  if ((COMP_CWORD == 0)); then
    mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[0]}")
  else
    compopt -o default
  fi
}

_tincan() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]} words=() place
  local common='--json -h --help --version'
  local listen='--mode --group --allow-uid --allow-gid'

  if ((COMP_CWORD == 1)); then
    words=(serve call ping bytes bench --help --version)
    mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$current")
    return
  fi
  for ((place = 2; place < COMP_CWORD; place++)); do
    [[ ${COMP_WORDS[place]} == -- ]] || continue
    if [[ $command == serve ]]; then
      _tincan_program "$place"
    else
      compopt -o default  # no options after that
    fi
    return
  done

  case $previous in
    --mode) words=(0600 0660 0666) ;;
    --timeout | --drain) words=(200ms 1s 2s 5s 1m) ;;
    -s | --size) words=(56 1KiB 64KiB 1MiB) ;;
    -i | --interval) words=(0 0.2 1) ;;
    --transport) words=(socket ring auto) ;;
    --work) words=(round-trip one-way fan-in set-up payload idle) ;;
    --placement) words=(different same free) ;;
    --round-time) words=(10ms 20ms 100ms) ;;
    --group | --allow-gid)
      mapfile -t COMPREPLY < <(compgen -g -- "$current")
      return
      ;;
    --allow-uid | --server-uid)
      mapfile -t COMPREPLY < <(compgen -u -- "$current")
      return
      ;;
    --method | --max-running | -c | --count | --clients | --rate | --ways | --baseline | --rounds)
      return
      ;;
  esac
  if ((${#words[@]})); then
    mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$current")
    return
  fi

  if [[ $current != -* ]]; then
    [[ $command == call ]] && _tincan_methods "$current" && return
    compopt -o default  # the names of files: sockets are among them
    return
  fi
  case $command in
    serve) words=(--echo $listen --take-over --method --max-running --drain $common) ;;
    call) words=(--timeout --server-uid -v --verbose $common) ;;
    ping) words=(-c --count -s --size -i --interval --flood --timeout --transport
      --server-uid $common) ;;
    bytes) words=(--listen $listen --timeout --server-uid -v --verbose $common) ;;
    bench) words=(--quick --full --work -s --size --placement --clients --rate --ways --baseline
      --load --rounds --round-time --peers --peers-from --list --csv --compare --report --from
      $common) ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$current")
}

complete -F _tincan tincan
