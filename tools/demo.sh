#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `make demo` does: record the stock e1000 driver under a ping in a VM, say what is in the
# recording, check it, make a page of it. Where no VM can run, a recording from traces/ takes its place.
set -uo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
readonly ENVIRONMENT_LACKS=5
run=demo/e1000.pcapng
report=()

step() {
    # step TEXT COMMAND…: runs it, notes how long it took, and returns its exit code.
    local text=$1 begin code
    shift
    printf '\n== %s\n   %s\n' "$text" "$*"
    begin=$(date +%s.%N)
    "$@"
    code=$?
    report+=("$(printf '%6.1f s  %s' "$(echo "$begin $(date +%s.%N)" | awk '{print $2 - $1}')" "$text")")
    return $code
}

newest_recorded() {
    # The recording under traces/ that is most like what the demo would have recorded.
    find traces -name '*.pcapng*' 2>/dev/null | sort |
        awk '/e1000[^e]/ && !first {first = $0} {last = $0} END {print first ? first : last}'
}

begin=$SECONDS
mkdir -p demo
step 'install what is missing' tools/install-packages.sh packaging/apt-packages.txt ||
    echo 'packages are missing: going on with what there is'
step 'make the virtual environment' make --no-print-directory venv PYTHON="$PYTHON" || exit
PATH=$PWD/.venv/bin:$PATH

step 'record the stock e1000 driver under a ping, in a VM' \
    uvtrace record --vm --device qemu:e1000 --memory -o "$run" -- ping -c 5 10.0.2.2
code=$?
if [ "$code" = "$ENVIRONMENT_LACKS" ]; then
    run=$(newest_recorded)
    [ -n "$run" ] || { echo 'no VM can run here, and traces/ holds no recording' >&2; exit "$code"; }
    echo "no VM can run here (see above): going on with the recording $run"
elif [ "$code" != 0 ]; then
    exit "$code"
fi

step 'say what is in the recording' uvtrace info "$run" || exit
step 'check it by the rules' uvtrace check "$run"
code=$?
# 1 is a finding, which a demonstration may have; anything else is a failure.
[ "$code" -le 1 ] || exit "$code"
step 'make a page of it' uvtrace report "$run" -o demo/report
code=$?
[ "$code" -le 1 ] || exit "$code"

cat <<END

== what next
   open demo/report/index.html in a browser
   open $run in Wireshark:
      uvtrace wireshark install     (once: teaches Wireshark to read recordings)
      wireshark -C uvtrace $run
   read it here:
      .venv/bin/uvtrace show $run | less
   in Python:
      import uvtrace; uvtrace.open("$run").to_pandas()

== how long it took
END
printf '   %s\n' "${report[@]}"
printf '   %6.1f s  in all\n' $((SECONDS - begin))
