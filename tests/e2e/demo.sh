#!/usr/bin/env bash
# A demo station: two cameras from a real RTSP server (GStreamer's) with real footage, recorded by the real program.
# Usage: demo.sh BIN_DIR PLUGIN_DIR CACHE_DIR      (make run calls it)
# The station is kept from one run to the next (make clean-demo begins afresh). Environment, with what holds without it:
#   WATCHBOOK_LISTEN=127.0.0.1:8080     where the page listens; 0.0.0.0:8080 makes it reachable from other machines
#   WATCHBOOK_CAMERA_PORT=18554         where the cameras are served; it is part of the addresses that the station keeps
#   WATCHBOOK_RING_GIB=8                disk space for footage, about 20 minutes each GiB; it holds when the ring is first laid out
#   WATCHBOOK_SCENE=FILE.mp4            other footage for the second camera
set -euo pipefail
bin=$1 plugins=$2 cache=$3
here=$(cd "$(dirname "$0")" && pwd)
demo="$cache/demo"
port=${WATCHBOOK_CAMERA_PORT:-18554}
second="Square, mirrored"
[ -z "${WATCHBOOK_SCENE:-}" ] || second="Scene"
mkdir -p "$demo"

"$here/servers/prepare_footage.sh" "$cache/footage" ${WATCHBOOK_SCENE:+"$WATCHBOOK_SCENE"}

children=()
stop() { kill "${children[@]}" 2>/dev/null || true; wait 2>/dev/null || true; }
trap stop EXIT INT TERM

# READY rtsp://127.0.0.1:PORT/ on the first line of its output; the server ends when its standard input does.
mkfifo "$demo/ready.$$" "$demo/stdin.$$"
exec 8<>"$demo/stdin.$$"
/usr/bin/python3 "$here/servers/gst_camera.py" --footage "$cache/footage" --port "$port" <&8 >"$demo/ready.$$" 2>"$demo/camera.log" &
children+=($!)
read -r _ url <"$demo/ready.$$" || {
    tail -n 5 "$demo/camera.log" >&2
    echo "demo: the camera server did not start on port $port; is another demo running? WATCHBOOK_CAMERA_PORT chooses another port" >&2
    exit 1
}
rm -f "$demo/ready.$$" "$demo/stdin.$$"

cat >"$demo/watchbook.toml" <<TOML
[web]
listen = "${WATCHBOOK_LISTEN:-127.0.0.1:8080}"

[storage]
state_dir = "$demo/state"
ring_dir = "$demo/ring"
ring_gib = ${WATCHBOOK_RING_GIB:-8}
segment_mib = 64

[plugins]
dir = "$plugins"
program_dir = "$bin"

# The demo's camera server is on this machine.
[cameras]
networks = ["127.0.0.1"]

[[camera]]
name = "Square"
purpose = "Traffic on the square"
contact = "The demo"
main_url = "${url}main"
sub_url = "${url}sub"
plugins = ["org.watchbook.motion"]

[[camera]]
name = "$second"
purpose = "Traffic at the second place"
contact = "The demo"
main_url = "${url}main2"
sub_url = "${url}sub2"
plugins = ["org.watchbook.motion", "org.watchbook.crossing"]
TOML
echo "two demo cameras are served at ${url}main and ${url}main2; the demo's station is in $demo (make clean-demo begins afresh)"
echo "recorded footage is played inside a case: set up the second factor on the page of your account, then either open an emergency on the timeline, or make an account for an approver, who opens a case for yours"
"$bin/watchbook" run --config "$demo/watchbook.toml" &
children+=($!)
wait "${children[1]}"
